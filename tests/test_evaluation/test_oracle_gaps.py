"""Stages of made results files, and files rebuilt in every possible way."""

import itertools

import numpy as np
import pytest
from vis_reference import random_files, to_rle

from rocovis_mm.evaluation.functional import oracle_gaps as module
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.oracle_assignment import Limits
from rocovis_mm.evaluation.functional.oracle_gaps import STAGES, as_results, oracle_gaps
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions

LENGTH = 6
LOSSES = ('lost_to_tracking', 'lost_to_classes', 'lost_to_masks')
THRESHOLDS = np.linspace(0.5, 0.95, 10)


def box(y0, x0, y1, x1):
    mask = np.zeros((40, 60), bool)
    mask[y0:y1, x0:x1] = True
    return to_rle(mask)


LEFT, RIGHT, CORNER = box(5, 5, 25, 25), box(5, 35, 25, 55), box(30, 0, 38, 8)
SMALL_LEFT = box(5, 5, 25, 17)  # IoU 0.6 with LEFT
BOTH = box(5, 5, 25, 55)


def load(annotations, results, videos=1, length=LENGTH):
    truth = load_ground_truth(
        {
            'videos': [
                {'id': v + 1, 'height': 40, 'width': 60, 'length': length} for v in range(videos)
            ],
            'categories': [{'id': 1, 'name': 'cat'}, {'id': 2, 'name': 'dog'}],
            'annotations': [
                dict(id=i, video_id=v, category_id=c, iscrowd=crowd, segmentations=codes)
                for i, (v, c, crowd, codes) in enumerate(annotations, 1)
            ],
        }
    )
    predictions = [
        dict(video_id=v, category_id=c, score=score, segmentations=codes)
        for v, c, score, codes in results
    ]
    return truth, load_predictions(predictions, truth)


def summary(results, annotations=None):
    annotations = annotations or [(1, 1, 0, [LEFT] * LENGTH), (1, 2, 0, [RIGHT] * LENGTH)]
    return oracle_gaps(*load(annotations, results)).summary()


def losses(figures):
    assert figures['AP'] + sum(figures[name] for name in LOSSES) == pytest.approx(1)
    return pytest.approx([figures[name] for name in LOSSES])


def test_a_perfect_file_loses_nothing():
    figures = summary([(1, 1, 0.9, [LEFT] * LENGTH), (1, 2, 0.8, [RIGHT] * LENGTH)])
    stages = [figures[f'AP{end}'] for end in ('', '_ranking', '_tracking', '_class')]
    assert stages == pytest.approx([1] * 4)
    assert losses(figures) == [0, 0, 0]


def test_switched_tracks_are_lost_to_tracking():
    twins = [(1, 1, 0, [LEFT] * LENGTH), (1, 1, 0, [RIGHT] * LENGTH)]
    half = LENGTH // 2
    switched = [
        (1, 1, 0.9, [LEFT] * half + [RIGHT] * half),
        (1, 1, 0.8, [RIGHT] * half + [LEFT] * half),
    ]
    figures = summary(switched, twins)
    assert figures['AP'] < 0.1 and figures['lost_to_ranking'] == 0
    assert losses(figures) == [1 - figures['AP'], 0, 0]


def test_false_positives_are_lost_to_ranking():
    """It is a part of what is lost to tracking."""
    found = [(1, 1, 0.9, [CORNER] * LENGTH), (1, 1, 0.8, [LEFT] * LENGTH)]
    figures = summary([*found, (1, 2, 0.8, [RIGHT] * LENGTH)])
    assert losses(figures) == [0.25, 0, 0] and figures['lost_to_ranking'] == pytest.approx(0.25)


def test_wrong_classes_are_lost_to_classes():
    figures = summary([(1, 2, 0.9, [LEFT] * LENGTH), (1, 1, 0.8, [RIGHT] * LENGTH)])
    assert figures['AP'] == figures['AP_tracking'] == 0
    assert losses(figures) == [0, 1, 0] and figures['AP_class_only'] == pytest.approx(1)


def test_classes_that_change_inside_a_track_need_both():
    half, gone = LENGTH // 2, [None] * (LENGTH // 2)
    parts = [(1, 1, 0.9, [LEFT] * half + gone), (1, 2, 0.8, gone + [LEFT] * half)]
    figures = summary(parts, [(1, 1, 0, [LEFT] * LENGTH)])
    assert figures['AP_tracking'] == figures['AP_class_only'] == pytest.approx(0.1)  # IoU 0.5
    assert figures['AP_class'] == pytest.approx(1)


def test_bad_and_missing_masks_are_lost_to_masks():
    figures = summary([(1, 1, 0.9, [SMALL_LEFT] * LENGTH)])
    assert losses(figures) == [0, 0, 1 - 3 / 10 / 2]  # thresholds 0.5, 0.55, 0.6 of one class
    nothing = summary([])
    assert losses(nothing) == [0, 0, 1] and nothing['AP'] == 0


def test_a_crowd_takes_no_part():
    crowd = [(1, 1, 0, [LEFT] * LENGTH), (1, 1, 1, [RIGHT] * LENGTH)]
    truth, found = load(crowd, [(1, 1, 0.9, [LEFT] * LENGTH), (1, 1, 0.8, [RIGHT] * LENGTH)])
    gaps = oracle_gaps(truth, found)
    assert losses(gaps.summary()) == [0, 0, 0]
    assert len(gaps.stages['class'].tracks) == 1
    only = summary([(1, 1, 0.9, [RIGHT] * LENGTH)], [(1, 1, 1, [RIGHT] * LENGTH)])
    assert only['AP'] == -1 and all(only[name] == -1 for name in LOSSES)


def test_a_query_under_several_classes_serves_one_object():
    wide = [(1, 1, 0, [BOTH] * LENGTH), (1, 2, 0, [BOTH] * LENGTH)]
    query = [(1, c, 0.9, [BOTH] * LENGTH) for c in (1, 2)]
    truth, found = load(wide, query)
    stages = oracle_gaps(truth, found).stages
    assert stages['tracking'].tracks == found  # the file itself is better than one track
    truth, found = load(wide, [(1, 2, 0.9, [BOTH] * LENGTH), (1, 2, 0.8, [BOTH] * LENGTH)])
    stages = oracle_gaps(truth, found).stages
    assert len(stages['class'].tracks) == 1
    assert stages['class'].figures['AP'] == pytest.approx(0.5)


@pytest.mark.parametrize('seed', range(25))
def test_stages_never_fall_and_their_files_score_as_said(seed):
    content, results = random_files(seed, videos=5)
    truth = load_ground_truth(content)
    gaps = oracle_gaps(truth, load_predictions(results, truth))
    figures = gaps.summary()
    ap = {name: stage.figures['AP'] for name, stage in gaps.stages.items()}
    assert ap['default'] <= ap['ranking'] <= ap['tracking'] <= ap['class'] <= 1
    assert ap['ranking'] <= ap['class_only'] <= ap['class']
    if ap['default'] > -1:
        losses(figures)
    for stage in gaps.stages.values():
        assert not stage.unsolved and stage.upper == stage.figures['AP']
        again = load_predictions(as_results(stage.tracks), truth)
        stats = evaluate_tracks(truth, again, kinds=('segm',))['segm'].stats()
        assert {key: stats[key] for key in stage.figures} == stage.figures


def disjoint_files(seed, videos=3, objects=3, length=4):
    """Objects in columns of their own; predictions that mix, shrink and drop their masks."""
    rng = np.random.default_rng(seed)
    columns = [slice(20 * i, 20 * i + 20) for i in range(objects)]
    annotations, results = [], []
    for video in range(1, videos + 1):
        masks = np.zeros((objects, length, 40, 60), bool)
        for own, frame in itertools.product(range(objects), range(length)):
            masks[own, frame, 5 : rng.integers(15, 40), columns[own]] = True
        classes = rng.integers(1, 3, objects)
        annotations += [
            (video, int(c), 0, [to_rle(m) for m in own]) for c, own in zip(classes, masks)
        ]
        for _ in range(5):
            codes = []
            for frame in range(length):
                mask = masks[rng.integers(objects), frame].copy()
                mask[: rng.integers(5, 12)] = False
                mask[:, rng.integers(40, 60) :] = False
                codes.append(to_rle(mask) if rng.random() < 0.9 else None)
            results.append((video, int(rng.integers(1, 3)), float(rng.random()), codes))
    return load(annotations, results, videos, length)


@pytest.mark.parametrize('seed', range(10))
def test_mean_recall_rises_without_the_earlier_files(seed, monkeypatch):
    """Where objects do not overlap, each stage contains the matches of the one before."""
    monkeypatch.setattr(module, 'EARLIER', dict.fromkeys(STAGES, ()))
    truth, found = disjoint_files(seed)
    recall = {}
    for name, stage in oracle_gaps(truth, found).stages.items():
        recall[name] = evaluate_tracks(truth, stage.tracks)['segm'].stats()['AR100']
    assert recall['default'] <= recall['ranking'] + 1e-12
    assert recall['ranking'] <= min(recall['tracking'], recall['class_only']) + 1e-12
    assert max(recall['tracking'], recall['class_only']) <= recall['class'] + 1e-12


def best_recall(truth, found, any_class):
    """Mean recall of the best of all ways to link the masks of one video, on images."""
    objects = [[_decode(code) for code in track.tube.counts] for track in truth.tracks]
    masks = [[_decode(code) for code in track.tube.counts] for track in found]
    allowed = [
        [None] + [i for i, p in enumerate(found) if any_class or p.category_id == t.category_id]
        for t in truth.tracks
    ]
    best = 0.0
    frames = [c for c in itertools.product(*allowed) if _distinct(c)]
    counted = {t.category_id: 0 for t in truth.tracks}
    for track in truth.tracks:
        counted[track.category_id] += 1
    for links in itertools.product(frames, repeat=len(objects[0])):
        value = 0.0
        for own, track in enumerate(truth.tracks):
            pairs = [
                (objects[own][t], masks[link[own]][t] if link[own] is not None else None)
                for t, link in enumerate(links)
            ]
            common = sum((a & b).sum() for a, b in pairs if b is not None)
            united = sum((a | b).sum() if b is not None else a.sum() for a, b in pairs)
            value += (common / united >= THRESHOLDS).mean() / counted[track.category_id]
        best = max(best, value / len(counted))
    return best


def _distinct(links):
    used = [link for link in links if link is not None]
    return len(set(used)) == len(used)


def _decode(code):
    from pycocotools import mask as mask_utils

    size = [40, 60]
    return mask_utils.decode({'size': size, 'counts': code or to_rle(np.zeros(size))['counts']}) > 0


@pytest.mark.parametrize('seed', range(6))
def test_equals_the_best_of_all_files(seed, monkeypatch):
    monkeypatch.setattr(module, 'EARLIER', dict.fromkeys(STAGES, ()))
    truth, found = disjoint_files(seed, videos=1, objects=2, length=2)
    stages = oracle_gaps(truth, found).stages
    for name in ('tracking', 'class'):
        stats = evaluate_tracks(truth, stages[name].tracks)['segm'].stats()
        expected = best_recall(truth, found, any_class=name == 'class')
        assert max(0, stats['AR100']) == pytest.approx(expected)
        top = (100 * stats['AR100'] + 1) / 101  # AP reads recall at 101 points
        assert stats['AR100'] - 0.01 <= stats['AP'] <= top + 1e-12


def test_a_file_in_another_order_has_the_same_stages():
    content, results = random_files(3, videos=6, scores=0)
    truth = load_ground_truth(content)
    first = oracle_gaps(truth, load_predictions(results, truth)).summary()
    for key in ('videos', 'annotations', 'categories'):
        content[key].reverse()
    truth = load_ground_truth(content)
    second = oracle_gaps(truth, load_predictions(results[::-1], truth)).summary()
    assert second == pytest.approx(first)


def test_processes_change_nothing():
    content, results = random_files(9, videos=6)
    truth = load_ground_truth(content)
    predictions = load_predictions(results, truth)
    alone, shared = (oracle_gaps(truth, predictions, jobs=jobs) for jobs in (1, 2))
    assert shared.summary() == alone.summary()
    for name, stage in shared.stages.items():
        assert as_results(stage.tracks) == as_results(alone.stages[name].tracks)


def test_without_time_left_the_bounds_are_those_without_a_programme():
    for seed in range(4, 8):
        content, results = random_files(seed, videos=8, categories=1)
        truth = load_ground_truth(content)
        predictions = load_predictions(results, truth)
        late, small = (
            oracle_gaps(truth, predictions, limits).summary()
            for limits in (Limits(total=0), Limits(variables=0))
        )
        assert late == small


def test_what_is_too_large_is_bounded():
    found_unsolved = False
    for seed in range(4, 8):
        content, results = random_files(seed, videos=8, categories=1)
        truth = load_ground_truth(content)
        predictions = load_predictions(results, truth)
        bounded = oracle_gaps(truth, predictions, Limits(variables=0)).stages['class']
        exact = oracle_gaps(truth, predictions).stages['class']
        assert bounded.figures['AP'] - 0.01 <= exact.figures['AP'] <= bounded.upper + 1e-12
        found_unsolved |= bool(bounded.unsolved)
    assert found_unsolved

"""Whole scores: the official tools' figures, and what must not change them."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vis_reference import official_pooled_ap, official_stats, random_files

from rocovis_mm.evaluation.functional.evaluate import KINDS, evaluate_tracks
from rocovis_mm.evaluation.functional.report import name_pooled_stats, name_stats
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions

pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation')  # of pycocotools

seeds = st.integers(0, 2**32)
random_cases = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def score(truth, results, **kwargs):
    checked = load_ground_truth(truth)
    return evaluate_tracks(checked, load_predictions(results, checked), **kwargs)


def figures(truth, results, **kwargs):
    scores = score(truth, results, **kwargs)
    return {**name_stats(scores), **name_pooled_stats(scores)}


@pytest.mark.parametrize('jobs', [1, 2])
@pytest.mark.parametrize('name', ['small', 'rand2', 'coco100', 'hq'])
def test_equal_to_what_the_official_tools_printed(shared_dir, name, jobs):
    folder = shared_dir / 'fixtures' / 'metrics'
    official = json.loads((folder / f'{name}_official.json').read_text())
    scores = score(folder / f'{name}_gt.json', str(folder / f'{name}_pred.json'), jobs=jobs)
    for kind in KINDS:
        printed, measured = official[kind], scores[kind]
        assert list(measured.stats().values()) == pytest.approx(printed['stats'], abs=1e-9, rel=0)
        assert measured.pooled_ap == pytest.approx(printed['pool_per_iou'], abs=1e-9, rel=0)
        pooled = measured.pooled_stats()
        assert pooled['AP_pool'] == pytest.approx(printed['pool_ap'], abs=1e-9, rel=0)
        assert pooled['AP50_pool'] == measured.pooled_ap[0]
        assert pooled['AP75_pool'] == measured.pooled_ap[5]


@random_cases
@given(seeds, st.sampled_from([0, 1, 4]), st.sampled_from([(12, 40), (130, 300)]))
def test_equal_to_the_official_code_on_random_files(monkeypatch, seed, scores, size):
    """Sizes from 130 on reach into the medium and large area ranges."""
    truth, results = random_files(seed, videos=3, scores=scores, size=size)
    if not truth['annotations'] or not results:
        return
    measured = score(truth, results)
    for kind in KINDS:
        expected = official_stats(truth, results, kind == 'boundary', monkeypatch)
        assert list(measured[kind].stats().values()) == pytest.approx(expected, abs=1e-9, rel=0)


def test_more_than_a_hundred_predictions_in_one_video(monkeypatch):
    truth, results = random_files(5, videos=2, scores=7)
    results = [{**results[i % len(results)], 'score': (i * 37 % 101) / 101} for i in range(900)]
    measured = score(truth, results)['segm'].stats()
    expected = official_stats(truth, results, False, monkeypatch)
    assert list(measured.values()) == pytest.approx(expected, abs=1e-9, rel=0)


@settings(random_cases, max_examples=20)
@given(seeds, st.sampled_from([0, 1, 4]))
def test_pooled_equals_the_official_matches_pooled(monkeypatch, seed, scores):
    truth, results = random_files(seed, scores=scores)
    if not truth['annotations'] or not results:
        return
    measured = score(truth, results)
    for kind in KINDS:
        expected = official_pooled_ap(truth, results, kind == 'boundary', monkeypatch)
        assert measured[kind].pooled_ap == pytest.approx(expected, abs=1e-9, rel=0)


@random_cases
@given(seeds)
def test_orders_do_not_matter_when_scores_differ(seed):
    truth, results = random_files(seed, scores=0)
    if not truth['annotations']:
        return
    rng = np.random.default_rng(seed)
    shuffled = {
        key: [values[i] for i in rng.permutation(len(values))]
        for key, values in truth.items()
        if key != 'annotations'
    }
    shuffled['annotations'] = truth['annotations']
    mixed = [results[i] for i in rng.permutation(len(results))]
    assert figures(truth, results) == figures(shuffled, mixed)


@random_cases
@given(seeds)
def test_pooled_ap_of_one_category_is_its_ap(seed):
    truth, results = random_files(seed, categories=1)
    if not truth['annotations']:
        return
    found = figures(truth, results)
    for suffix in ('', '_boundary'):
        for name in ('AP', 'AP50', 'AP75'):
            assert found[f'{name}_pool{suffix}'] == pytest.approx(found[f'{name}{suffix}'])


@random_cases
@given(seeds)
def test_a_perfect_prediction_scores_one(seed):
    truth, _ = random_files(seed)
    for track in truth['annotations']:
        track['iscrowd'] = 0
    # overlapping copies are told apart by nobody, and two empty tubes never match
    seen = {}
    for track in truth['annotations']:
        if any(track['areas']):
            key = json.dumps([track['video_id'], track['category_id'], track['segmentations']])
            seen.setdefault(key, track)
    truth['annotations'] = list(seen.values())
    if not truth['annotations']:
        return
    results = [
        {key: track[key] for key in ('video_id', 'category_id', 'segmentations')}
        | {'score': 1 - 1e-3 * index}
        for index, track in enumerate(truth['annotations'])
    ]
    found = figures(truth, results)
    for name, value in found.items():
        if not name.startswith(('AR1', 'APs', 'APm', 'APl')) and value >= 0:
            assert value == pytest.approx(1.0), name
    assert found['AP'] == pytest.approx(1.0)


@random_cases
@given(seeds)
def test_twice_gives_the_same_and_leaves_the_input_alone(seed):
    truth, results = random_files(seed)
    if not truth['annotations']:
        return
    before = copy.deepcopy((truth, results))
    assert figures(truth, results) == figures(truth, results)
    assert (truth, results) == before


@random_cases
@given(seeds)
def test_annotation_ids_mean_nothing(seed):
    """Also an id of 0, which the official tools take for "no match"."""
    truth, results = random_files(seed)
    if not truth['annotations']:
        return
    expected = figures(truth, results)
    for track in truth['annotations']:
        track['id'] = len(truth['annotations']) - track['id']
    assert figures(truth, results) == expected


def test_jobs_do_not_matter():
    truth, results = random_files(11, videos=9)
    assert figures(truth, results) == figures(truth, results, jobs=3)


def test_no_predictions_score_zero():
    truth, _ = random_files(3)
    found = figures(truth, [])
    assert found['AP'] == found['AR100'] == found['AP_boundary'] == found['AP_pool'] == 0.0


def test_only_crowds_leave_nothing_to_measure():
    truth, results = random_files(3)
    for track in truth['annotations']:
        track['iscrowd'] = 1
    assert set(figures(truth, results).values()) == {-1.0}


def test_predictions_of_other_videos_are_left_out_of_a_subset():
    truth, results = random_files(21, videos=6, scores=0)
    chosen = [video['id'] for video in truth['videos'][:3]]
    checked = load_ground_truth(truth)
    part = evaluate_tracks(checked.subset(chosen), load_predictions(results, checked))
    alone = {
        'videos': [video for video in truth['videos'] if video['id'] in chosen],
        'annotations': [track for track in truth['annotations'] if track['video_id'] in chosen],
        'categories': truth['categories'],
    }
    expected = figures(alone, [track for track in results if track['video_id'] in chosen])
    assert {**name_stats(part), **name_pooled_stats(part)} == expected


def test_refined_masks_give_the_boundaries():
    truth, results = random_files(2, size=(130, 160))
    refined = copy.deepcopy(truth)
    for track in refined['annotations']:
        track['segmentations_refined'] = [None] * len(track['segmentations'])
    official = score(refined, results)
    assert official['segm'].stats() == score(truth, results)['segm'].stats()
    assert official['boundary'].stats()['AR100'] <= 0  # no boundary left to overlap with
    checked = load_ground_truth(refined, mask_source='original')
    original = evaluate_tracks(checked, load_predictions(results, checked))
    assert original['boundary'].stats() == score(truth, results)['boundary'].stats()
    checked = load_ground_truth(refined, mask_source='refined')
    one_source = evaluate_tracks(checked, load_predictions(results, checked))
    assert one_source['segm'].stats()['AR100'] <= 0

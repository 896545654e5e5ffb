"""Verdicts on cases whose answer is plain to see."""

import numpy as np
from vis_reference import random_files, to_rle

from rocovis_mm.evaluation.functional.error_analysis import analyze_errors
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.report import error_table
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions

LENGTH = 10


def box(y0, x0, y1, x1):
    mask = np.zeros((40, 60), bool)
    mask[y0:y1, x0:x1] = True
    return to_rle(mask)


LEFT, RIGHT, CORNER = box(5, 5, 25, 25), box(5, 35, 25, 55), box(30, 0, 38, 8)
HALF_OF_LEFT = box(5, 5, 25, 13)  # IoU 0.4


def annotation(category, codes, crowd=0):
    return dict(video_id=1, category_id=category, iscrowd=crowd, segmentations=codes)


def analyze(annotations, results, **kwargs):
    truth = load_ground_truth(
        {
            'videos': [{'id': 1, 'height': 40, 'width': 60, 'length': LENGTH}],
            'categories': [{'id': 1, 'name': 'cat'}, {'id': 2, 'name': 'dog'}],
            'annotations': [{'id': i + 1, **track} for i, track in enumerate(annotations)],
        }
    )
    predictions = [
        dict(video_id=1, category_id=category, score=score, segmentations=codes)
        for category, score, codes in results
    ]
    return analyze_errors(truth, load_predictions(predictions, truth), **kwargs)


def test_each_verdict_once():
    report = analyze(
        [
            annotation(1, [LEFT] * LENGTH),
            annotation(2, [RIGHT] * LENGTH),
            annotation(1, [CORNER] * LENGTH, crowd=1),
        ],
        [
            (1, 0.9, [LEFT] * LENGTH),
            (1, 0.8, [LEFT] * LENGTH),
            (1, 0.7, [RIGHT] * LENGTH),
            (1, 0.6, [HALF_OF_LEFT] * LENGTH),
            (2, 0.5, [box(30, 30, 38, 38)] * LENGTH),
            (1, 0.4, [CORNER] * LENGTH),
        ],
    )
    by_index = {row['index']: row['verdict'] for row in report.predictions}
    assert [by_index[i] for i in range(6)] == [
        'correct', 'duplicate', 'wrong class', 'bad mask', 'background', 'ignored',
    ]  # fmt: skip
    summary = report.summary()
    assert all(summary[name] == 1 for name in by_index.values())
    assert (summary['tracks'], summary['missed'], summary['switched']) == (2, 1, 0)
    # the dog's frames are held, by a prediction of the wrong class
    assert summary['best_share'] == summary['joint_share'] == 1.0


def test_an_identity_that_changes_hands():
    first = [LEFT] * 6 + [None] * 4
    second = [None] * 6 + [LEFT] * 4
    report = analyze([annotation(1, [LEFT] * LENGTH)], [(1, 0.9, first), (1, 0.8, second)])
    (track,) = report.tracks
    assert (track['switched'], track['missed']) == (True, False)
    assert (track['best_share'], track['joint_share']) == (0.6, 1.0)
    assert [row['verdict'] for row in report.predictions] == ['correct', 'bad mask']


def test_one_frame_in_ten_counts_and_one_in_twenty_does_not():
    nine = [LEFT] * 9 + [None]
    last = [None] * 9 + [LEFT]
    switched = analyze([annotation(1, [LEFT] * LENGTH)], [(1, 0.9, nine), (1, 0.8, last)])
    assert switched.summary()['switched'] == 1
    alone = analyze([annotation(1, [LEFT] * LENGTH)], [(1, 0.9, nine)])
    assert alone.summary()['switched'] == 0


def test_a_missed_track_is_not_switched():
    report = analyze([annotation(1, [LEFT] * LENGTH), annotation(1, [None] * LENGTH)], [])
    assert [track['missed'] for track in report.tracks] == [True, True]
    assert report.summary()['switched'] == 0
    assert report.summary()['joint_share'] == 0.0


def test_low_scores_can_be_left_out():
    tracks, results = [annotation(1, [LEFT] * LENGTH)], [(1, 0.2, [RIGHT] * LENGTH)]
    assert analyze(tracks, results).summary()['background'] == 1
    assert analyze(tracks, results, min_score=0.3).summary()['background'] == 0


def test_counts_add_up_and_agree_with_recall():
    for seed in range(30):
        content, results = random_files(seed)
        if not content['annotations']:
            continue
        truth = load_ground_truth(content)
        predictions = load_predictions(results, truth)
        report = analyze_errors(truth, predictions)
        assert sorted(row['index'] for row in report.predictions) == list(range(len(results)))
        wanted = [track for track in truth.tracks if not track.crowd]
        assert len(report.tracks) == len(wanted)
        summary = report.summary()
        assert summary['correct'] == len(wanted) - summary['missed']
        scores = evaluate_tracks(truth, predictions)['segm']
        per_class = [
            np.mean([not t['missed'] for t in report.tracks if t['class'] == name])
            for name in {track['class'] for track in report.tracks}
        ]
        if per_class:
            recall = scores.recall[:, 0, 0]
            assert np.isclose(np.mean(per_class), recall[recall > -1].mean())


def test_table_names_each_file():
    summary = analyze([annotation(1, [LEFT] * LENGTH)], []).summary()
    table = str(error_table(['a.json', 'b.json'], [summary, summary]))
    assert 'a.json' in table and 'b.json' in table and 'switched' in table

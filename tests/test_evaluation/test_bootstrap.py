"""Resampled figures against scoring the resampled videos; intervals against known answers."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from vis_reference import random_files

from rocovis_mm.evaluation.functional import bootstrap
from rocovis_mm.evaluation.functional.bootstrap import (
    difference_interval,
    draw_counts,
    resampled_ap,
)
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks, match_videos
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions


def repeated(content: dict, results: list, counts: np.ndarray) -> tuple[dict, list]:
    """Return files in which each video stands as often as it was drawn, under new ids."""
    truth, found = dict(content, videos=[], annotations=[]), []
    for video, count in zip(sorted(content['videos'], key=lambda v: v['id']), counts):
        for _ in range(count):
            number = len(truth['videos']) + 1
            truth['videos'].append(dict(video, id=number))
            for record in content['annotations']:
                if record['video_id'] == video['id']:
                    new = len(truth['annotations']) + 1
                    truth['annotations'].append(dict(record, video_id=number, id=new))
            found += [dict(r, video_id=number) for r in results if r['video_id'] == video['id']]
    return truth, found


@pytest.mark.parametrize('name', ['small', 'rand2'])
@pytest.mark.parametrize('kind', ['segm', 'boundary'])
def test_equals_scoring_the_videos_anew(shared_dir, name, kind):
    folder = shared_dir / 'fixtures' / 'metrics'
    content = json.loads((folder / f'{name}_gt.json').read_text())
    results = json.loads((folder / f'{name}_pred.json').read_text())
    rng = np.random.default_rng(0)
    for record in results:  # ties between videos are broken by the order, which a copy changes
        record['score'] = float(rng.random())
    truth = load_ground_truth(content)
    cells = [each[kind] for each in match_videos(truth, load_predictions(results, truth), [kind])]
    counts = draw_counts(rng, 4, len(truth.videos))
    counts[0] = 1  # the file as it is
    found = resampled_ap(cells, counts)
    for row, drawn in enumerate(counts):
        again, predictions = repeated(copy.deepcopy(content), results, drawn)
        if not again['annotations']:
            assert all(values[row] == -1 for values in found.values())
            continue
        other = load_ground_truth(again)
        scores = evaluate_tracks(other, load_predictions(predictions, other), [kind])[kind]
        for figure in ('AP', 'AP50', 'AP75'):
            assert found[figure][row] == pytest.approx(scores.stats()[figure], abs=1e-12)
        assert found['AP_pool'][row] == pytest.approx(scores.pooled_stats()['AP_pool'], abs=1e-12)


def test_nothing_to_find_is_minus_one():
    found = resampled_ap([[], []], np.array([[1, 1], [2, 0]]))
    assert found['AP'].tolist() == found['AP_pool'].tolist() == [-1, -1]


def test_resamples_in_blocks_are_the_same(monkeypatch):
    content, results = random_files(2, videos=6)
    truth = load_ground_truth(content)
    cells = [each['segm'] for each in match_videos(truth, load_predictions(results, truth))]
    counts = draw_counts(np.random.default_rng(0), 30, 6)
    whole = resampled_ap(cells, counts)
    monkeypatch.setattr(bootstrap, 'MOST_DRAWN', 100)
    blocks = resampled_ap(cells, counts)
    assert all(np.array_equal(whole[name], blocks[name]) for name in whole)


def test_counts_add_up_and_videos_are_drawn_equally_often():
    counts = draw_counts(np.random.default_rng(0), 4000, 5)
    assert (counts.sum(axis=1) == 5).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(5), abs=0.06)


def test_a_method_does_not_differ_from_itself():
    figures = np.random.default_rng(0).random((3, 50))
    seeds = draw_counts(np.random.default_rng(1), 50, 3)
    assert difference_interval(figures, figures, seeds) == (0, 0)


def test_the_interval_of_a_constant_shift_is_that_shift():
    figures = np.random.default_rng(0).random((3, 50))
    seeds = draw_counts(np.random.default_rng(1), 50, 3)
    assert difference_interval(figures + 0.25, figures, seeds) == pytest.approx((0.25, 0.25))


def test_the_interval_of_a_mean_is_that_of_statistics():
    """One seed, a figure that is the mean of 400 videos: normal, with a known deviation."""
    rng = np.random.default_rng(0)
    values = rng.normal(1.0, 2.0, 400)
    counts = draw_counts(rng, 4000, 400)
    means = (counts @ values / 400)[None]
    low, high = difference_interval(means, np.zeros_like(means), np.ones((4000, 1), int))
    wanted = values.mean() + 1.96 * values.std() / 20 * np.array([-1, 1])
    assert (low, high) == pytest.approx(tuple(wanted), abs=0.02)


def test_seeds_that_disagree_widen_the_interval():
    ours = np.array([[0.0] * 1000, [1.0] * 1000])
    seeds = draw_counts(np.random.default_rng(0), 1000, 2)
    assert difference_interval(ours, np.zeros_like(ours), seeds) == (0, 1)

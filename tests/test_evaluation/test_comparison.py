"""Differences of results files and their intervals against scoring resampled files."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from vis_reference import random_files

from rocovis_mm.evaluation.functional import comparison
from rocovis_mm.evaluation.functional.bootstrap import draw_counts
from rocovis_mm.evaluation.functional.comparison import (
    COMPARED,
    compare_files,
    difference_table,
    json_of,
    paired_differences,
)
from rocovis_mm.evaluation.functional.evaluate import accumulate_kinds, match_videos
from rocovis_mm.evaluation.functional.report import name_pooled_stats, name_stats
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions


@pytest.fixture(scope='module')
def files():
    """Figures and cells of three results files: a, its worse copy, and a again."""
    content, results = random_files(6, videos=9, scores=0)
    truth = load_ground_truth(content)
    worse = [record for i, record in enumerate(copy.deepcopy(results)) if i % 4]
    cells = {
        name: match_videos(truth, load_predictions(own, truth))
        for name, own in (('a', results), ('worse', worse), ('again', results))
    }
    return {name: figures_of(own) for name, own in cells.items()}, cells


def figures_of(cells):
    scores = accumulate_kinds(cells)
    return {**name_stats(scores), **name_pooled_stats(scores)}


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(comparison, 'RESAMPLES', 12)


def test_intervals_equal_scoring_the_drawn_videos(files):
    """The videos of each resample are laid out one after another and scored as a file."""
    figures, cells = files
    found = compare_files(figures, cells)
    drawn = draw_counts(np.random.default_rng(comparison.SEED), 12, 9)
    differences = []
    for counts in drawn:
        own = [
            figures_of([video for video, n in zip(cells[name], counts) for _ in range(n)])
            for name in ('worse', 'a')
        ]
        differences.append([own[0][key] - own[1][key] for key in COMPARED])
    low, high = np.quantile(differences, [0.025, 0.975], axis=0)
    for i, (name, each) in enumerate(found['worse'].items()):
        assert each.difference == figures['worse'][name] - figures['a'][name]
        assert (each.low, each.high) == pytest.approx((low[i], high[i]), abs=1e-9)
        assert each.low < 0


def test_a_file_does_not_differ_from_itself(files):
    assert set(compare_files(*files)['again'].values()) == {(0, 0, 0)}


def test_two_runs_are_equal(files):
    assert compare_files(*files) == compare_files(*files)


def test_resamples_without_an_object_do_not_count():
    resampled = {name: np.array([0.5, -1, 0.5]) for name in COMPARED}
    base = {name: np.array([0.25, -1, 0.25]) for name in COMPARED}
    figures = dict.fromkeys(COMPARED, 0.5), dict.fromkeys(COMPARED, 0.25)
    found = paired_differences(figures[0], resampled, figures[1], base)
    assert set(found.values()) == {(0.25, 0.25, 0.25)}
    nothing = {name: np.array([-1.0]) for name in COMPARED}
    same = dict.fromkeys(COMPARED, -1.0)
    assert set(paired_differences(same, nothing, same, nothing).values()) == {(0, 0, 0)}


def test_the_table_and_the_json(files):
    figures, cells = files
    found = compare_files(figures, cells)
    table = difference_table('a', found)
    head, worse, again = table.texts()
    assert head == ['minus a', *COMPARED] and worse[0] == 'worse'
    each = found['worse']['AP']
    assert worse[1] == f'{100 * each[0]:+.2f} [{100 * each[1]:+.2f}, {100 * each[2]:+.2f}]'
    assert again[1] == '+0.00 [+0.00, +0.00]'
    assert json_of(found['worse'])['AP'] == dict(zip(('difference', 'low', 'high'), each))

"""Thousands of categories of which a few are used: the same figures, and work for those few."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image
from vis_reference import random_files

from rocovis_mm.checks.problems import check
from rocovis_mm.checks.summary import format_summary, summarize
from rocovis_mm.evaluation.functional import evaluate
from rocovis_mm.evaluation.functional.error_analysis import analyze_errors
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.report import (
    class_table,
    name_pooled_stats,
    name_stats,
    per_class_stats,
)
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.evaluation.functional.video_groups import group_videos
from rocovis_mm.formats.converters.splitting import split_dataset
from rocovis_mm.formats.validation import listed
from rocovis_mm.visualization import dataset_plots
from rocovis_mm.visualization.track_report.contents import load_report

NUMBER = 5124
PLACES = {1: 7, 2: 2000, 3: 5101}
"""Category of the small vocabulary -> its id in the large one."""


@pytest.fixture(scope='module')
def small():
    truth, results = random_files(4, videos=6)
    for video in truth['videos']:
        video['file_names'] = [f'{video["id"]}/{t}.jpg' for t in range(video['length'])]
    return truth, results


@pytest.fixture(scope='module')
def large(small):
    """The same files with most categories empty."""
    truth, results = json.loads(json.dumps(small))
    names = {PLACES[each['id']]: each['name'] for each in truth['categories']}
    truth['categories'] = [
        dict(id=key, name=names.get(key, f'empty {key}')) for key in range(NUMBER, 0, -1)
    ]
    for record in [*truth['annotations'], *results]:
        record['category_id'] = PLACES[record['category_id']]
    return truth, results


def everything(truth, results):
    checked = load_ground_truth(truth)
    found = load_predictions(results, checked)
    scores = evaluate_tracks(checked, found)
    rows = per_class_stats(scores, checked.categories)
    return dict(
        stats=name_stats(scores),
        pooled=name_pooled_stats(scores),
        rows=[{key: value for key, value in row.items() if key != 'category_id'} for row in rows],
        errors=analyze_errors(checked, found).summary(),
        groups=group_videos(checked),
    )


def test_every_figure_is_that_of_the_small_vocabulary(small, large):
    expected = everything(*small)
    assert everything(*large) == expected
    assert 0 < expected['stats']['AP'] < 1 and len(expected['rows']) == 3


def test_empty_categories_are_not_measured(large, monkeypatch):
    calls, curve = [], evaluate._curve
    monkeypatch.setattr(evaluate, '_curve', lambda *args: calls.append(args) or curve(*args))
    truth = load_ground_truth(large[0])
    scores = evaluate_tracks(truth, load_predictions(large[1], truth), ['segm'])['segm']
    assert len(calls) == 3 * 6 + 1  # areas and limits of each, and all of them together
    assert scores.category_ids == [7, 2000, 5101] and scores.precision.shape == (3, 10, 101)
    assert set(scores.class_stats(8).values()) == {-1.0}
    assert scores.class_stats(2000) != scores.class_stats(7)
    assert scores.row_of(NUMBER + 1) == slice(3, 3)


def test_one_line_for_all_empty_categories(large):
    truth = load_ground_truth(large[0])
    scores = evaluate_tracks(truth, load_predictions(large[1], truth))
    lines = str(class_table(per_class_stats(scores, truth.categories), NUMBER)).splitlines()
    assert lines[-1] == f'{NUMBER - 3} other classes have no tracks or predictions'
    assert len(lines) == 3 + 4 + 1  # frame and header, classes, that line
    annotations, problems = check(large[0], 'gt.json')
    assert not problems or not any('categor' in each for each in problems)
    summary = summarize(annotations)
    text = format_summary(summary)
    used = len({note['category_id'] for note in large[0]['annotations']})
    assert text.count('empty ') == 5 and f'{NUMBER - used} classes without tracks: ' in text
    assert len(text.splitlines()) < 20
    assert len(summary.figures()['classes']) == NUMBER


def test_a_check_against_a_config_names_a_few(large):
    annotations = check(large[0], 'gt.json')[0]
    classes = [f'other {n}' for n in range(NUMBER)]
    problems = check(large[0], 'gt.json', class_lists=[classes], num_classes=NUMBER)[1]
    absent = next(each for each in problems if 'are not there' in each)
    assert len(absent) < 1000 and absent.count(f'{NUMBER} in all') == 2
    counts = [re.search(r"(\d+) annotations are of '(c\d)'", each) for each in problems]
    found = {match[2]: int(match[1]) for match in counts if match}
    assert found == {name: n for name, n in summarize(annotations).classes.items() if n}


def test_a_split_names_the_used_ones(large, tmp_path):
    (tmp_path / 'gt.json').write_text(json.dumps(large[0]))
    lines = split_dataset(tmp_path / 'gt.json', (tmp_path / 'a.json', tmp_path / 'b.json'), 0.3)
    assert len(lines) < 8 and f'{NUMBER - len(lines) + 3} classes without tracks' in lines[-1]


def test_a_report_and_a_picture_of_it(large, tmp_path, monkeypatch):
    for name, content in zip(('gt', 'pred'), large):
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    report = load_report(tmp_path / 'pred.json', tmp_path / 'gt.json')
    assert report.judged and {t.category for v in report.videos for t in v.annotations} <= {
        'c1', 'c2', 'c3',
    }  # fmt: skip
    summary = summarize(check(large[0], 'gt.json')[0])
    summary.classes.update({f'empty {n + 1}': 1 for n in range(1000)})
    drawn = []
    monkeypatch.setattr(dataset_plots, 'MOST_CLASSES', 12)
    monkeypatch.setattr(dataset_plots.Axes, 'set_yticks', lambda _, *args, **kw: drawn.append(args))
    dataset_plots.draw_summary(summary, tmp_path / 'summary.png')
    assert [len(names) for _, names in drawn] == [12]
    with Image.open(tmp_path / 'summary.png') as picture:
        assert picture.height < 1000


def test_long_lists_in_messages_are_short():
    assert listed(range(3)) == '[0, 1, 2]' and listed([]) == '[]'
    assert listed(np.arange(61).tolist(), 60) == '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... 61 in all]'

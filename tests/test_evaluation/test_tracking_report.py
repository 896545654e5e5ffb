"""Tracking scores as the tool writes and prints them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tracking_reference import crowded_files

from rocovis_mm.evaluation.functional.tracking.report import merge_class_stats, report_tracking
from rocovis_mm.evaluation.functional.tracking.summary import evaluate_tracking
from rocovis_mm.evaluation.functional.tracking.threshold import above, best_threshold
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions

SHARES = 'HOTA DetA AssA LocA DetRe DetPr AssRe AssPr MOTA MOTP IDF1 IDP IDR'.split()
NUMBERS = 'IDSW Frag MT PT ML'.split()


@pytest.fixture(scope='module')
def files():
    truth, results = crowded_files(3)
    checked = load_ground_truth(truth)
    return checked, load_predictions(results, checked)


def value(fields, name):
    return np.mean(next(own[name] for own in fields.values() if name in own))


def test_names_of_all_figures(files):
    report = report_tracking(*files, ['segm', 'boundary'])
    scores = evaluate_tracking(*files, ['segm', 'boundary'])
    suffixes = {
        f'{average}{kind}': getattr(scores[kind.strip('_') or 'segm'], part)
        for kind in ('', '_boundary')
        for average, part in {
            '': 'class_averaged',
            '_det': 'detection_averaged',
            '_agnostic': 'agnostic',
        }.items()
    }
    assert report.stats == {
        f'{name}{suffix}': value(fields, name)
        for suffix, fields in suffixes.items()
        for name in SHARES + NUMBERS
    }
    assert all(type(report.stats[name]) is int for name in NUMBERS)
    assert len(report.per_alpha) == 1 + 8 * len(suffixes)
    assert report.per_alpha['alpha'] == [round(0.05 * step, 2) for step in range(1, 20)]
    for name, curve in report.per_alpha.items():
        if name != 'alpha':
            assert np.mean(curve) == pytest.approx(report.stats[name], abs=1e-12)
    for row in report.per_class:
        fields = scores['segm'].per_class[row['category_id']]
        assert {name: row[name] for name in SHARES + NUMBERS} == {
            name: value(fields, name) for name in SHARES + NUMBERS
        }
    assert json.loads(json.dumps(report.figures())) == report.figures()


def test_a_threshold_leaves_out_tracks_below_it_and_keeps_their_classes(files):
    truth, found = files
    report = report_tracking(truth, found, ['segm'], 0.75)
    assert report.stats == report_tracking(truth, above(found, 0.75), ['segm']).stats
    assert report.score_thr == 0.75
    assert '0.75' in report.note
    nothing = report_tracking(truth, found, ['segm'], 2)
    assert [row['category_id'] for row in nothing.per_class] == [1, 2, 7]
    assert nothing.stats['HOTA'] == 0 and 'tracks: 0 of' in nothing.note


def test_the_best_threshold_is_found_and_said(files):
    report = report_tracking(*files, ['segm'], 'best')
    best = best_threshold(*files)
    assert (report.score_thr, report.stats['HOTA']) == pytest.approx(tuple(best), abs=1e-12)
    assert f'{best.score:g} or more, the threshold with the highest' in report.note
    truth, _ = files
    assert report_tracking(truth, [], ['segm'], 'best').score_thr is None


@pytest.mark.parametrize('value', ['Best', '0.5', float('nan'), float('inf'), True, [0.5]])
def test_a_threshold_that_is_none(files, value):
    with pytest.raises(ValueError, match="choose a finite score, 'best' or None"):
        report_tracking(*files, ['segm'], value)


def test_a_threshold_may_be_of_numpy(files):
    truth, found = files
    assert report_tracking(truth, found, ['segm'], np.float32(0.75)).score_thr == 0.75


def test_tables_of_classes_are_merged_by_category():
    one = [dict(category_id=2, name='b', AP=0.5), dict(category_id=9, name='c', AP=-1.0)]
    other = [dict(category_id=1, name='a', HOTA=0.1), dict(category_id=2, name='b', HOTA=0.2)]
    assert merge_class_stats(one, other) == [
        dict(category_id=1, name='a', HOTA=0.1),
        dict(category_id=2, name='b', AP=0.5, HOTA=0.2),
        dict(category_id=9, name='c', AP=-1.0),
    ]

"""HOTA of resamples and of groups of videos, against files that hold just these videos."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from tracking_reference import crowded_files

from rocovis_mm.evaluation.functional.score_groups import score_groups
from rocovis_mm.evaluation.functional.tracking.report import CLASS_NAMES, report_tracking
from rocovis_mm.evaluation.functional.tracking.resampling import resampled_hota
from rocovis_mm.evaluation.functional.tracking.summary import count_videos
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions

VIDEOS = 4


@pytest.fixture(scope='module')
def files():
    return crowded_files(5, videos=VIDEOS)


def load(truth, results):
    truth = load_ground_truth(truth, need_annotations=False)
    return truth, load_predictions(results, truth)


def counts_of(files):
    return [video['segm'] for video in count_videos(*load(*files))]


def repeated(files, times):
    """The files with each video as often as it is drawn."""
    truth, results = files
    drawn = dict(truth, videos=[], annotations=[]), []
    for video, number in zip(truth['videos'], times):
        for _ in range(number):
            new = 100 + len(drawn[0]['videos'])
            drawn[0]['videos'].append(dict(video, id=new))
            for source, target in (
                (truth['annotations'], drawn[0]['annotations']),
                (results, drawn[1]),
            ):
                own = copy.deepcopy([r for r in source if r['video_id'] == video['id']])
                target += [dict(record, video_id=new) for record in own]
    for number, record in enumerate(drawn[0]['annotations']):
        record['id'] = number + 1
    return drawn


def test_a_resample_scores_as_the_file_that_repeats_its_videos(files):
    rng = np.random.default_rng(0)
    counts = rng.multinomial(VIDEOS, [1 / VIDEOS] * VIDEOS, size=6)
    found = resampled_hota(counts_of(files), counts, len(files[0]['categories']))
    for row, times in enumerate(counts):
        expected = report_tracking(*load(*repeated(files, times)), ['segm']).stats
        for name in ('HOTA', 'AssA'):
            assert found[name][row] == pytest.approx(expected[name], abs=1e-12)
    assert len(set(found['HOTA'].tolist())) > 3


def test_groups_score_as_files_of_their_own(files):
    truth, results = files
    groups = dict(videos={'some': [1, 3]}, categories={'other': [2, 7]})
    rows = score_groups(truth, [], *load(truth, results), tracked=counts_of(files), **groups)
    for row, (key, ids) in zip(rows, (('video_id', [1, 3]), ('category_id', [2, 7]))):
        part = dict(truth)
        part['annotations'] = [r for r in truth['annotations'] if r[key] in ids]
        if key == 'video_id':
            part['videos'] = [v for v in truth['videos'] if v['id'] in ids]
        else:
            part['categories'] = [c for c in truth['categories'] if c['id'] in ids]
        own = [r for r in results if r[key] in ids]
        expected = report_tracking(*load(part, own), ['segm']).stats
        for name in CLASS_NAMES:
            assert row[name] == pytest.approx(expected[name], abs=1e-12), name


def test_groups_of_tracks_and_files_without_tracking_have_no_hota(files):
    loaded = load(*files)
    rows = score_groups(files[0], ['size', 'length'], *loaded, tracked=counts_of(files))
    assert all(('HOTA' in row) == (row['grouping'] == 'length') for row in rows)
    rows = score_groups(files[0], ['length'], *loaded)
    assert all('HOTA' not in row for row in rows)

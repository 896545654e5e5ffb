"""Groups are scored as if the file held nothing else."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.report import group_table, name_pooled_stats, name_stats
from rocovis_mm.evaluation.functional.score_groups import score_groups
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.evaluation.functional.video_groups import UNTAGGED, group_videos


def code(column):
    """A 4 x 4 box from a column on, in 8 x 24 pixels."""
    mask = np.zeros((8, 24), np.uint8, order='F')
    mask[2:6, column : column + 4] = 1
    rle = mask_utils.encode(mask)
    return dict(size=rle['size'], counts=rle['counts'].decode())


@pytest.fixture
def content():
    """Three videos of four frames with one object each."""
    marks = (
        dict(tags=['b', 'a'], degraded=[1, 2]),
        dict(tags=['a'], degraded=[]),
        dict(),
    )
    return dict(
        videos=[dict(id=i, height=8, width=24, length=4, **m) for i, m in enumerate(marks, 7)],
        categories=[dict(id=1, name='thing')],
        annotations=[
            dict(
                id=i, video_id=i, category_id=1, iscrowd=0, areas=[16] * 4,
                segmentations=[code(t) for t in range(4)],
            )
            for i in (7, 8, 9)
        ],
    )  # fmt: skip


@pytest.fixture
def results(content):
    """Right in the last two videos; in the first wrong where it is degraded."""
    found = [{**track, 'score': 0.9} for track in copy.deepcopy(content['annotations'])]
    found[0]['segmentations'][1:3] = [code(16), None]
    return found


def scored(content, results, grouping):
    truth = load_ground_truth(content)
    rows = score_groups(content, grouping, truth, load_predictions(results, truth))
    return {row['group']: row for row in rows}


def figures_of(content, results):
    truth = load_ground_truth(content)
    scores = evaluate_tracks(truth, load_predictions(results, truth))
    return {**name_stats(scores), **name_pooled_stats(scores)}


def test_tags_equal_a_file_with_these_videos_alone(content, results):
    rows = scored(content, results, 'tags')
    assert list(rows) == ['a', 'b', UNTAGGED]
    for name, kept in (('a', (7, 8)), ('b', (7,)), (UNTAGGED, (9,))):
        part = {**content, 'videos': [v for v in content['videos'] if v['id'] in kept]}
        part['annotations'] = [a for a in content['annotations'] if a['video_id'] in kept]
        own = [result for result in results if result['video_id'] in kept]
        numbers = dict(grouping='tags', group=name, videos=len(kept), tracks=len(kept))
        assert rows[name] == {**numbers, **figures_of(part, own)}
    assert rows['b']['AP'] < rows['a']['AP'] < rows[UNTAGGED]['AP'] == pytest.approx(1)


def test_marks_do_not_matter_otherwise(content, results):
    plain = copy.deepcopy(content)
    for video in plain['videos']:
        video.pop('tags', None), video.pop('degraded', None)
    assert figures_of(plain, results) == figures_of(content, results)
    for video in content['videos']:
        video.update(tags='anything', degraded=[99])
    assert figures_of(plain, results) == figures_of(content, results)


def test_degraded_frames_equal_videos_cut_to_them(content, results):
    rows = scored(content, results, 'degraded')
    assert list(rows) == ['degraded frames', 'other frames']
    for name, degraded in (('degraded frames', True), ('other frames', False)):
        part, own = copy.deepcopy((content, results))
        for video in part['videos']:
            frames = [t for t in range(4) if (t in video.get('degraded', [])) == degraded]
            video['length'] = len(frames)
            for track in (*part['annotations'], *own):
                if track['video_id'] == video['id']:
                    track['segmentations'] = [track['segmentations'][t] for t in frames]
                    track['areas'] = [16] * len(frames)
        empty = {video['id'] for video in part['videos'] if not video['length']}
        for key, name_of_video in (('videos', 'id'), ('annotations', 'video_id')):
            part[key] = [record for record in part[key] if record[name_of_video] not in empty]
        own = [track for track in own if track['video_id'] not in empty]
        expected = figures_of(part, own)
        assert {key: rows[name][key] for key in expected} == expected
    assert rows['degraded frames']['AP'] == 0
    assert rows['other frames']['AP'] == pytest.approx(1)
    assert rows['degraded frames']['videos'] == 1 and rows['other frames']['videos'] == 3


def test_boundaries_of_refined_masks_are_cut_too(content, results):
    content['annotations'][0]['segmentations_refined'] = [code(10)] * 4
    content['annotations'][0]['segmentations_refined'][0] = code(0)
    rows = scored(content, results, 'degraded')
    assert rows['other frames']['AP'] == pytest.approx(1)
    assert rows['other frames']['AP_boundary'] < 0.9


def test_events_are_those_of_the_masks(content, results):
    rows = scored(content, results, 'events')
    groups = group_videos(load_ground_truth(content))
    assert {name: row['videos'] for name, row in rows.items()} == {
        name: len(videos) for name, videos in groups.items() if videos
    }


def test_a_subset_of_the_videos_scores_its_own(content, results):
    truth = load_ground_truth(content).subset([8])
    found = load_predictions(results, load_ground_truth(content))
    rows = score_groups(content, 'tags', truth, found)
    assert [(row['group'], row['videos']) for row in rows] == [('a', 1)]
    assert rows[0]['AP'] == pytest.approx(1)


@pytest.mark.parametrize(
    ('grouping', 'marks', 'message'),
    [
        ('tags', {}, "videos: no video has 'tags'.*another grouping"),
        ('degraded', {}, "videos: no video has 'degraded'"),
        ('tags', dict(tags='twins'), r'videos\[1\].tags: expected a list.*list of words'),
        ('tags', dict(tags=['a', 3]), r'videos\[1\].tags\[1\]: expected a str'),
        ('degraded', dict(degraded=[4]), r'videos\[1\].degraded\[0\].*0 to 3'),
        ('degraded', dict(degraded=['x']), r'videos\[1\].degraded\[0\].*whole number'),
    ],
)
def test_malformed_marks(content, results, grouping, marks, message):
    for video in content['videos']:
        video.pop('tags', None), video.pop('degraded', None)
    content['videos'][1].update(marks)
    with pytest.raises(ValueError, match=message):
        scored(content, results, grouping)


def test_the_table(content, results):
    table = str(group_table(list(scored(content, results, 'tags').values())))
    lines = [line.split('|')[1:-1] for line in table.splitlines() if line.startswith('|')]
    cells = [[cell.strip() for cell in line] for line in lines]
    assert cells[0][:5] == ['group (%)', 'videos', 'tracks', 'AP', 'AP50']
    assert cells[3][:5] == [UNTAGGED, '1', '1', '100.00', '100.00']

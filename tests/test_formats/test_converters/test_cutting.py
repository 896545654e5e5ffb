"""Pieces of videos: nothing is lost, and each piece is what it shows."""

from __future__ import annotations

import json

import pytest

from rocovis_mm.formats.converters.cutting import cut_videos
from tests.test_datasets.drawn_scene import write_json


def content():
    """Two videos of 5 and 2 frames; a mask is the name of its track and frame."""
    return dict(
        info=dict(year=1),
        videos=[
            dict(
                id=7,
                length=5,
                file_names=[f'a/{t}.jpg' for t in range(5)],
                tags=['a', 'b', 'c', 'd', 'e'],  # as many as there are frames, by chance
                degraded=[0, 2, 3],
            ),
            dict(id=3, file_names=['b/0.jpg', 'b/1.jpg'], height=4),
        ],
        categories=[dict(id=1, name='cat')],
        annotations=[
            dict(
                id=4,
                video_id=7,
                length=5,
                category_id=1,
                segmentations=['p0', 'p1', 'p2', 'p3', None],
            ),
            dict(
                id=9,
                video_id=7,
                category_id=1,
                segmentations=[None] * 4 + ['q4'],
                areas=[0, 0, 0, 0, 8],
            ),
            dict(id=5, video_id=3, category_id=1, segmentations=['r0', 'r1'], iscrowd=0),
        ],
    )


def test_pieces(tmp_path):
    source, out = write_json(tmp_path / 'val.json', content()), tmp_path / 'val_2.json'
    assert cut_videos(source, out, 2) == f'4 videos, 4 annotations -> {out}'
    found = json.loads(out.read_text())
    assert [video['file_names'] for video in found['videos']] == [
        ['a/0.jpg', 'a/1.jpg'],
        ['a/2.jpg', 'a/3.jpg'],
        ['a/4.jpg'],
        ['b/0.jpg', 'b/1.jpg'],
    ]
    assert [video['id'] for video in found['videos']] == [1, 2, 3, 4]
    assert [video.get('length') for video in found['videos']] == [2, 2, 1, None]
    assert [video.get('degraded') for video in found['videos']] == [[0], [0, 1], [], None]
    assert [video.get('tags') for video in found['videos']] == [list('abcde')] * 3 + [None]
    assert found['videos'][3]['height'] == 4
    assert [(n['id'], n['video_id'], n['segmentations']) for n in found['annotations']] == [
        (1, 1, ['p0', 'p1']),
        (2, 2, ['p2', 'p3']),
        (3, 3, ['q4']),
        (4, 4, ['r0', 'r1']),
    ]
    first, _, late, other = found['annotations']
    assert (first['length'], late['areas'], other['iscrowd']) == (2, [8], 0)
    assert found['info'] == dict(year=1) and found['categories'] == content()['categories']


def test_long_pieces_change_no_video(tmp_path):
    cut_videos(write_json(tmp_path / 'val.json', content()), tmp_path / 'out.json', 5)
    found, expected = json.loads((tmp_path / 'out.json').read_text()), content()
    for key in ('videos', 'annotations'):
        for record, own in zip(found[key], expected[key], strict=True):
            same = {k: v for k, v in record.items() if k not in ('id', 'video_id')}
            assert same == {k: v for k, v in own.items() if k not in ('id', 'video_id')}


def test_a_file_without_annotations_is_refused(tmp_path):
    path = write_json(tmp_path / 'val.json', {**content(), 'annotations': None})
    with pytest.raises(ValueError, match=r'val\.json: annotations'):
        cut_videos(path, tmp_path / 'out.json', 2)


@pytest.mark.parametrize(
    ('part', 'index', 'change', 'message'),
    [
        ('annotations', 1, dict(segmentations=[None] * 6), r'\[1\]\.segmentations: 6 .* 5 frames'),
        ('annotations', 0, dict(areas=[1]), r'\[0\]\.areas: 1 entries for 5 frames; .*--fix'),
        ('annotations', 2, dict(segmentations=None), r'\[2\]\.segmentations'),
        ('annotations', 1, dict(video_id=8), r'\[1\]\.video_id: there is no video 8; .*--fix'),
        ('videos', 1, dict(id=7), r'\[1\]\.id: another video has the id 7'),
        ('videos', 0, dict(file_names='a/0.jpg'), r'\[0\]\.file_names: expected a list'),
        ('videos', 0, dict(degraded=3), r'\[0\]\.degraded: expected a list'),
        ('videos', 0, dict(degraded=[5]), r'\[0\]\.degraded: .* from 0 to 4'),
    ],
)
def test_clear_errors(part, index, change, message, tmp_path):
    damaged = content()
    damaged[part][index].update(change)
    path = write_json(tmp_path / 'val.json', damaged)
    with pytest.raises(ValueError, match=rf'val\.json: {part}{message}'):
        cut_videos(path, tmp_path / 'out.json', 2)
    assert not (tmp_path / 'out.json').exists()


def test_impossible_calls(tmp_path):
    with pytest.raises(ValueError, match='pieces of 0 frames'):
        cut_videos(write_json(tmp_path / 'val.json', content()), tmp_path / 'out.json', 0)
    with pytest.raises(FileNotFoundError, match=r'gone\.json'):
        cut_videos(tmp_path / 'gone.json', tmp_path / 'out.json', 2)

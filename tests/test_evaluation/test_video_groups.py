"""Videos are set apart by what a person sees in small drawings."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from rocovis_mm.evaluation.functional.tracks import GroundTruth, load_ground_truth
from rocovis_mm.evaluation.functional.video_groups import group_by_length, group_videos
from rocovis_mm.formats.vis_annotations import VISVideo

SIZE = (8, 24)


def code(column: int | None):
    """Return the mask of a 4 x 4 box that begins at a column, or null."""
    if column is None:
        return None
    mask = np.zeros(SIZE, np.uint8, order='F')
    mask[2:6, column : column + 4] = 1
    rle = mask_utils.encode(mask)
    return dict(size=rle['size'], counts=rle['counts'].decode())


def truth_of(tmp_path, tracks: list[tuple[int, list[int | None]]], crowds: tuple[int, ...] = ()):
    """Write one video of (class, columns) tracks and read it."""
    length = len(tracks[0][1])
    content = dict(
        videos=[dict(id=5, height=8, width=24, length=length, file_names=['x'] * length)],
        categories=[dict(id=1, name='a'), dict(id=2, name='b')],
        annotations=[
            dict(
                id=i + 1, video_id=5, category_id=label, iscrowd=int(i in crowds),
                areas=[None if c is None else 16 for c in columns],
                segmentations=[code(c) for c in columns],
            )
            for i, (label, columns) in enumerate(tracks)
        ],
    )  # fmt: skip
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(content))
    return load_ground_truth(path)


CASES = {
    'stays': ([(1, [0, 1, 2])], ['rest']),
    'comes late and stays': ([(1, [None, 1, 2])], ['rest']),
    'goes': ([(1, [0, 1, None])], ['disappearance']),
    'goes and returns': ([(1, [0, None, 2])], ['disappearance']),
    'look-alikes meet': ([(1, [0, 4, 8]), (1, [12, 10, 10])], ['crossing']),
    'others meet': ([(1, [0, 4, 8]), (2, [12, 10, 10])], ['rest']),
    'look-alikes touch at most': ([(1, [0, 2, 4]), (1, [12, 10, 8])], ['rest']),
    'always together': ([(1, [0, 1, 2]), (1, [2, 3, 4])], ['rest']),
    'never seen at once': ([(1, [0, None, None]), (1, [None, 1, 2])], ['disappearance']),
    'both': ([(1, [0, 4, None]), (1, [12, 6, 6])], ['disappearance', 'crossing']),
}


@pytest.mark.parametrize('name', CASES)
def test_groups(tmp_path, name):
    tracks, expected = CASES[name]
    groups = group_videos(truth_of(tmp_path, tracks))
    assert [group for group, videos in groups.items() if videos == [5]] == expected
    assert sum(map(len, groups.values())) == len(expected)


def test_crowds_do_not_count(tmp_path):
    tracks = [(1, [0, 4, None]), (1, [12, 6, 6])]
    assert group_videos(truth_of(tmp_path, tracks, crowds=(0,)))['rest'] == [5]


@pytest.mark.parametrize(
    ('lengths', 'groups'),
    [
        ([3, 1, 2], {'short (1 frames)': 1, 'medium (2 frames)': 1, 'long (3 frames)': 1}),
        ([9, 1, 2, 8], {'short (1-2 frames)': 2, 'medium (8 frames)': 1, 'long (9 frames)': 1}),
        ([4, 4, 4], {'short (4 frames)': 3}),
        ([4, 4, 4, 4, 30], {'short (4 frames)': 4, 'long (30 frames)': 1}),
        ([], {}),
    ],
)  # fmt: skip
def test_terciles_of_the_lengths(lengths, groups):
    videos = {i: VISVideo(i, 8, 24, length) for i, length in enumerate(lengths)}
    found = group_by_length(GroundTruth('gt', videos, {}, []))
    assert {name: len(ids) for name, ids in found.items()} == groups
    for name, ids in found.items():
        ends = [int(word) for word in name.split('(')[1].split()[0].split('-')]
        own = [lengths[i] for i in ids]
        assert (min(own), max(own)) == (ends[0], ends[-1])

from __future__ import annotations

import gzip

import numpy as np
import pycocotools.mask as mask_utils
import pytest

from rocovis_mm.formats.vis_annotations import read_vis_annotations
from tests.test_datasets.vis_content import box_mask


def decoded(track):
    size = [track.tube.height, track.tube.width]
    return [
        None if counts is None else mask_utils.decode(dict(size=size, counts=counts))
        for counts in track.tube.counts
    ]


def test_all_forms_of_masks(content, write):
    compressed = mask_utils.encode(np.asfortranarray(box_mask(1, 2, 5, 8)))
    compressed['counts'] = compressed['counts'].decode()
    content['annotations'][2]['segmentations'][3] = compressed
    annotations = read_vis_annotations(write(content))
    first, second = annotations.videos
    assert [video.id for video in annotations.videos] == [7, 3]
    plain, null, polygon, full = decoded(first.tracks[0])
    np.testing.assert_array_equal(plain, box_mask(2, 3, 6, 9))
    assert null is None
    np.testing.assert_array_equal(polygon, box_mask(2, 3, 6, 9))
    assert full.all()
    np.testing.assert_array_equal(decoded(second.tracks[0])[3], box_mask(1, 2, 5, 8))
    assert first.tracks[0].tube.areas.tolist() == [24, 0, 24, 240]
    assert [track.is_crowd for track in first.tracks] == [False, True]
    assert annotations.categories == content['categories']


def test_a_gzipped_file_and_a_test_set_without_annotations(content, write, tmp_path):
    del content['annotations']
    path = tmp_path / 'ann.json.gz'
    path.write_bytes(gzip.compress(write(content).read_bytes()))
    annotations = read_vis_annotations(path, with_tracks=False)
    assert [video.tracks for video in annotations.videos] == [[], []]
    with pytest.raises(ValueError, match='annotations'):
        read_vis_annotations(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'gone\.json.*data_root'):
        read_vis_annotations(tmp_path / 'gone.json')


def test_truncated_json(content, write):
    path = write(content)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ValueError, match=r'ann\.json.*not a complete json'):
        read_vis_annotations(path)


def spoil(content, path, value):
    """Set (or with value ... delete) an entry of nested dicts and lists."""
    *way, last = path
    for key in way:
        content = content[key]
    if value is ...:
        del content[last]
    else:
        content[last] = value


BAD = {
    'length mismatch of a track': (
        ('annotations', 0, 'segmentations'),
        [None] * 3,
        'video 7, annotation 11.*3 entries for a video of 4 frames',
    ),
    'length mismatch of a video': (
        ('videos', 1, 'length'),
        5,
        'video 3: length is 5 but there are 4 file_names',
    ),
    'size mismatch': (
        ('annotations', 2, 'segmentations', 1, 'size'),
        [20, 12],
        r'video 3, annotation 13.*\[20, 12\] where the frame is \[12, 20\]',
    ),
    'unknown category': (
        ('annotations', 0, 'category_id'),
        6,
        r'video 7, annotation 11: unknown category 6, the file has \[5, 9\]',
    ),
    'unknown video': (
        ('annotations', 0, 'video_id'),
        8,
        'video 8, annotation 11: there is no such video',
    ),
    'duplicate annotation id': (
        ('annotations', 2, 'id'),
        11,
        r'annotations\[2\]\.id: duplicate annotation id 11 \(also annotations\[0\]\)',
    ),
    'duplicate video id': (('videos', 1, 'id'), 7, r'videos\[1\]\.id: duplicate video id 7'),
    'duplicate category id': (('categories', 1, 'id'), 5, 'duplicate category id 5'),
    'duplicate category name': (('categories', 1, 'name'), 'cat', "duplicate category name 'cat'"),
    'counts that do not cover the frame': (
        ('annotations', 0, 'segmentations', 0, 'counts'),
        [10, 20],
        r'video 7, annotation 11\.segmentations\[0\].*add up to 30',
    ),
    'truncated compressed counts': (
        ('annotations', 0, 'segmentations', 0, 'counts'),
        'X',
        r'video 7, annotation 11\.segmentations\[0\]',
    ),
    'polygon with two corners': (
        ('annotations', 0, 'segmentations', 2),
        [[1, 1, 2, 2]],
        r'video 7, annotation 11\.segmentations\[2\].*polygon of 4 numbers',
    ),
    'no category_id': (('annotations', 0, 'category_id'), ..., r'annotations\[0\].*category_id'),
    'no height': (('videos', 0, 'height'), ..., "video 7: missing key 'height'"),
    'no frames': (('videos', 0, 'file_names'), [], 'video 7.*empty'),
    'no videos': (('videos',), ..., "missing key 'videos'"),
    'an annotation that is none': (('annotations', 1), 3, r'annotations\[1\].*expected a dict'),
    'a CocoVID file': (('images',), [], 'CocoVID'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_annotations_are_named(content, write, case):
    path, value, message = BAD[case]
    spoil(content, path, value)
    with pytest.raises(ValueError, match=message) as caught:
        read_vis_annotations(write(content))
    text = str(caught.value)
    assert text.startswith(str(write(content)))
    assert ';' in text  # what is wrong; what to do


def test_all_problems_are_counted(content, write):
    content['annotations'] = [
        dict(content['annotations'][0], id=i, category_id=1) for i in range(8)
    ]
    with pytest.raises(ValueError, match='3 more') as caught:
        read_vis_annotations(write(content))
    assert str(caught.value).count('unknown category 1') == 5

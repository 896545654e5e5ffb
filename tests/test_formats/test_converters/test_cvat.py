"""The drawn scene as CVAT exports its video tasks, against what is read from the json."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from rocovis_mm.checks.problems import find_problems
from rocovis_mm.formats.converters.cocovid import cocovid_to_vis
from rocovis_mm.formats.converters.cvat import cvat_to_vis
from rocovis_mm.formats.vis_annotations import read_vis_annotations
from tests.test_datasets.drawn_scene import HEIGHT, LENGTH, WIDTH, write_json
from tests.test_datasets.vis_content import plain_rle

NUMBERS = (1, 2, 9, 10)
"""Of the frames; as text 10 would come before 2."""


def square(t):
    return [[2 + t, 2, 8 + t, 2, 8 + t, 8, 2 + t, 8]]


def disc(t):
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return ((rows - 12) ** 2 + (columns - 20 - t) ** 2 < 16).astype(np.uint8)


def export(folder='', tracks=True):
    """Two tracks, polygons and the brush's run lengths; the second one is away in frame 1."""
    images, notes = [], []
    for t in reversed(range(LENGTH)):
        name = f'{folder}frame_{NUMBERS[t]}.PNG'
        images.append(dict(id=t + 1, width=WIDTH, height=HEIGHT, file_name=name, license=0))
        for track, category in enumerate((3, 4)):
            if track and t == 1:
                continue
            masks = dict(segmentation=plain_rle(disc(t)), iscrowd=1)
            if not track:
                masks = dict(segmentation=square(t), iscrowd=0)
            attributes = dict(occluded=t == 2)
            if tracks:
                attributes.update(track_id=track, keyframe=True)
            note = dict(id=len(notes) + 1, image_id=t + 1, category_id=category, **masks)
            notes.append(dict(note, attributes=attributes, bbox=[0, 0, 1, 1], area=1.0))
    categories = [dict(id=3, name='box'), dict(id=4, name='disc')]
    return dict(images=images, annotations=notes, categories=categories)


def convert(folder, content, **kwargs):
    source = write_json(folder / 'instances_default.json', content)
    lines = cvat_to_vis(source, folder / 'out.json', **kwargs)
    return lines, read_vis_annotations(folder / 'out.json')


def decoded(track):
    size = [HEIGHT, WIDTH]
    return [
        None if counts is None else mask_utils.decode(dict(size=size, counts=counts))
        for counts in track.tube.counts
    ]


def test_tracks_and_frames(tmp_path):
    lines, annotations = convert(tmp_path, export())
    assert lines[0] == f'1 videos, 2 annotations -> {tmp_path / "out.json"}'
    assert lines[1].startswith('3 masks in run lengths are instances')
    (video,) = annotations.videos
    assert video.file_names == [f'frame_{number}.PNG' for number in NUMBERS]
    assert (video.height, video.width) == (HEIGHT, WIDTH)
    by_class = {track.category_id: track for track in video.tracks}
    assert [track.is_crowd for track in by_class.values()] == [False, False]
    for t, mask in enumerate(decoded(by_class[3])):
        np.testing.assert_array_equal(mask[2:8, 2 + t : 8 + t], 1)
        assert mask.sum() == 36
    for t, mask in enumerate(decoded(by_class[4])):
        assert (mask is None) if t == 1 else (mask == disc(t)).all()
    content = json.loads((tmp_path / 'out.json').read_text())
    assert find_problems(content, 'out.json')[1] == []
    assert content['annotations'][0]['cocovid']['attributes'][2]['occluded'] is True


def test_each_folder_is_a_video(tmp_path):
    content, other = export('b/'), export('a/')
    for key in ('images', 'annotations'):
        for record in other[key]:
            record['id'] += 100
            record.update({'image_id': record['image_id'] + 100} if 'image_id' in record else {})
        content[key] += other[key]
    _, annotations = convert(tmp_path, content)
    assert [video.file_names[0] for video in annotations.videos] == [
        'a/frame_1.PNG',
        'b/frame_1.PNG',
    ]
    assert [len(video.tracks) for video in annotations.videos] == [2, 2]


def test_crowds_stay_on_request(tmp_path):
    lines, annotations = convert(tmp_path, export(), keep_crowds=True)
    assert len(lines) == 1
    assert [track.is_crowd for track in annotations.videos[0].tracks] == [False, True]


def drop(key, index=0, **changes):
    def spoil(content):
        content[key][index].update(changes)

    return spoil


SPOILT = {
    'shapes': (lambda c: c.update(export(tracks=False)), 'none of its annotations has attributes'),
    'one shape': (drop('annotations', attributes={}), r'annotations\[0\]: it has no attributes.tr'),
    'a box': (drop('annotations', segmentation=[]), r'annotations\[0\]: it has no segmentation'),
    'an image twice': (drop('images', file_name='frame_1.PNG'), 'two are called frame_1.PNG'),
    'another size': (drop('images', height=9), 'video 1: its height is 9 and 20'),
    'an unknown image': (drop('annotations', image_id=77), 'there is no image 77'),
    'two masks in an image': (drop('annotations', 1, attributes=dict(track_id=0)), 'two masks'),
    'no categories': (lambda c: c.pop('categories'), "missing key 'categories'"),
    'no images': (lambda c: c['images'].clear(), 'there is no image'),
    'no annotations': (lambda c: c['annotations'].clear(), 'none of its annotations'),
    'videos': (lambda c: c.update(videos=[dict(id=1)]), 'cocovid_to_vis.py'),
}


@pytest.mark.parametrize('case', SPOILT)
def test_what_is_wrong_is_named(tmp_path, case):
    spoil, message = SPOILT[case]
    content = export()
    spoil(content)
    with pytest.raises(ValueError, match=message):
        convert(tmp_path, content)
    assert not (tmp_path / 'out.json').exists()


def test_others_name_the_converter(tmp_path):
    path = write_json(tmp_path / 'instances_default.json', export())
    with pytest.raises(ValueError, match=r'CVAT.*cvat_to_vis\.py'):
        cocovid_to_vis(path, tmp_path / 'out.json')
    problems = find_problems(export(), 'a.json')[1]
    assert len(problems) == 1 and 'cvat_to_vis.py' in problems[0]

"""CocoVID <-> YouTube-VIS: written by hand, against MMDetection's converter, there and back."""

from __future__ import annotations

import copy
import importlib.util
import json
from pathlib import Path

import mmdet
import numpy as np
import pytest
from pycocotools import mask as mask_utils

from rocovis_mm.formats.converters.cocovid import cocovid_to_vis, vis_to_cocovid
from tests.test_datasets.drawn_scene import (
    BOXES,
    HEIGHT,
    LENGTH,
    WIDTH,
    box_of,
    check_tracks,
    masks_of,
    vis_json,
    write_json,
)
from tests.test_datasets.vis_content import plain_rle

CATEGORIES = [dict(id=4, name='cat', color=[1, 2, 3]), dict(id=9, name='dog')]
LABELS = dict(red=4, blue=9, green=9)
NAMES = dict(red='cat', blue='dog', green='dog')
UPSTREAM = Path(mmdet.__file__).parent / '.mim/tools/dataset_converters/youtubevis2coco.py'


def compressed(mask):
    code = mask_utils.encode(np.asfortranarray(mask))
    return dict(size=code['size'], counts=code['counts'].decode())


def cocovid():
    """The drawn scene as MMDetection's data sets read it; images in no particular order."""
    videos, images, annotations = [], [], []
    for video_id, video in enumerate(BOXES, start=1):
        videos.append(dict(id=video_id, name=video, width=WIDTH, height=HEIGHT, fps=5))
        for t in reversed(range(LENGTH)):
            image_id = 10 * video_id + t
            images.append(
                dict(
                    id=image_id,
                    video_id=video_id,
                    frame_id=t,
                    file_name=f'{video}/{t:05d}.jpg',
                    height=HEIGHT,
                    width=WIDTH,
                    is_vid_train_frame=t % 2 == 0,
                )
            )
            for number, (name, masks) in enumerate(masks_of(video).items(), start=1):
                if masks[t].any():
                    annotations.append(
                        dict(
                            id=100 + len(annotations),
                            video_id=video_id,
                            image_id=image_id,
                            category_id=LABELS[name],
                            instance_id=number + 2 * (video_id - 1),
                            iscrowd=0,
                            bbox=box_of(masks[t]),
                            area=int(masks[t].sum()),
                            segmentation=plain_rle(masks[t]),
                            occlusion=t,
                        )
                    )
    return dict(
        videos=videos,
        images=images,
        annotations=annotations,
        categories=CATEGORIES,
        info=dict(year=2019),
    )


def forth(convert, folder, content):
    """Convert a content; return the other's."""
    source = write_json(folder / 'source.json', content)
    convert(source, folder / 'out.json', overwrite=True)
    return json.loads((folder / 'out.json').read_text())


def by_id(records):
    return {record['id']: record for record in records}


def holds(record, other):
    """Whether all that a record tells is in the other, too."""
    return all(other.get(key) == value for key, value in record.items())


def test_cocovid_becomes_tracks(tmp_path):
    content = forth(cocovid_to_vis, tmp_path, cocovid())
    check_tracks(content, {video: masks_of(video) for video in BOXES}, NAMES)
    assert content['info'] == dict(year=2019) and content['categories'] == CATEGORIES
    for video, name in zip(content['videos'], BOXES):
        assert video['file_names'] == [f'{name}/{t:05d}.jpg' for t in range(LENGTH)]
        assert (video['height'], video['width'], video['length']) == (HEIGHT, WIDTH, LENGTH)


def test_there_and_back_from_cocovid(tmp_path):
    before = cocovid()
    after = forth(vis_to_cocovid, tmp_path, forth(cocovid_to_vis, tmp_path, before))
    for key in ('videos', 'images', 'annotations'):
        old, new = by_id(before[key]), by_id(after[key])
        assert old.keys() == new.keys()
        assert all(holds(record, new[number]) for number, record in old.items())
    assert (after['categories'], after['info']) == (before['categories'], before['info'])


@pytest.mark.parametrize('seed', range(4))
def test_there_and_back_from_youtube_vis(tmp_path, seed):
    """Keys of the user's, tracks nowhere visible, missing lists, odd lists: all come back."""
    rng = np.random.default_rng(seed)
    before = vis_json(CATEGORIES, LABELS, [plain_rle, compressed][seed % 2], measured=seed < 2)
    before['licenses'] = [dict(id=1, url='here')]
    before['videos'][0]['tags'] = ['crossing']
    before['annotations'][0]['occlusion'] = ['no', 'slight', 'severe', 'no']
    before['annotations'][1]['segmentations_refined'] = before['annotations'][0]['segmentations']
    before['annotations'].append(
        dict(before['annotations'][2], id=77, segmentations=[None] * LENGTH, areas=[None] * LENGTH)
    )
    before['annotations'][int(rng.integers(3))]['iscrowd'] = 1
    before['annotations'][2]['areas'] = [None, None, 1, 5]
    del before['videos'][1]['length']
    after = forth(cocovid_to_vis, tmp_path, forth(vis_to_cocovid, tmp_path, before))
    assert [video['id'] for video in after['videos']] == [1, 2]
    for key in ('videos', 'annotations'):
        new = by_id(after[key])
        assert len(new) == len(before[key])
        assert all(holds(record, new[record['id']]) for record in before[key])
    assert after['licenses'] == before['licenses']


@pytest.mark.skipif(not UPSTREAM.is_file(), reason='MMDetection was installed without its tools')
def test_as_mmdetection_converts(tmp_path):
    content = vis_json(CATEGORIES, LABELS)
    content['categories'] = [
        dict(id=1, name='cat'),
        dict(id=2, name='dog'),
    ]  # it asks for 1, 2, ...
    for note in content['annotations']:
        note['category_id'] = 1 + (note['category_id'] == 9)
    write_json(tmp_path / 'train.json', content)
    spec = importlib.util.spec_from_file_location('youtubevis2coco', UPSTREAM)
    upstream = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(upstream)
    upstream.convert_vis(str(tmp_path), str(tmp_path), '2019', 'train')
    theirs = json.loads((tmp_path / 'youtube_vis_2019_train.json').read_text())
    ours = forth(vis_to_cocovid, tmp_path, content)
    for key in ('videos', 'images', 'annotations', 'categories'):
        assert len(theirs[key]) == len(ours[key])
        assert all(holds(a, b) for a, b in zip(theirs[key], ours[key]))


def test_instances_numbered_in_each_video_get_ids_of_their_own(tmp_path):
    before = cocovid()
    for note in before['annotations']:
        note['instance_id'] = (note['instance_id'] - 1) % 2  # 0, 1 in video 1; 0 in video 2
    content = forth(cocovid_to_vis, tmp_path, before)
    check_tracks(content, {video: masks_of(video) for video in BOXES}, NAMES)
    after = forth(vis_to_cocovid, tmp_path, content)
    new = by_id(after['annotations'])
    assert all(holds(note, new[note['id']]) for note in before['annotations'])


def test_a_test_set_without_annotations(tmp_path):
    before = cocovid()
    del before['annotations']
    content = forth(cocovid_to_vis, tmp_path, before)
    assert 'annotations' not in content and len(content['videos']) == 2
    after = forth(vis_to_cocovid, tmp_path, content)
    assert 'annotations' not in after and len(after['images']) == 2 * LENGTH


def change(content, key, number, **values):
    content[key][number].update(values)


SPOILT = {
    'two masks in one image': (
        lambda c: (
            change(c, 'annotations', 1, image_id=10, instance_id=1, category_id=4)
            or c['annotations'].append(dict(c['annotations'][1], id=999))
        ),
        r'annotations\[\d+\]: instance 1 has two masks in image 10',
    ),
    'two categories': (
        lambda c: change(c, 'annotations', 0, category_id=9),
        r'video 1, instance 1: it has the categories \[4, 9\]',
    ),
    'boxes only': (
        lambda c: change(c, 'annotations', 2, segmentation=None),
        r'annotations\[2\]: it has no segmentation; .*masks, not boxes',
    ),
    'no instances': (
        lambda c: c['annotations'][0].pop('instance_id'),
        r"annotations\[0\]: missing key 'instance_id'",
    ),
    'an unknown image': (
        lambda c: change(c, 'annotations', 0, image_id=5),
        r'annotations\[0\]: there is no image 5',
    ),
    'an unknown video': (
        lambda c: change(c, 'images', 3, video_id=8),
        r'images\[3\]: there is no video 8',
    ),
    'a frame twice': (
        lambda c: change(c, 'images', 0, frame_id=2),
        'video 1: two images have the same frame_id',
    ),
    'two sizes': (
        lambda c: change(c, 'images', 0, height=21),
        'video 1: its height is 20 and 21',
    ),
    'a mask of another size': (
        lambda c: change(c, 'annotations', 0, segmentation=dict(size=[4, 4], counts=[0, 16])),
        'mask.*4, 4',
    ),
    'no images': (lambda c: c.pop('images'), "missing key 'images'"),
}


@pytest.mark.parametrize('case', SPOILT)
def test_what_is_wrong_is_named(tmp_path, case):
    spoil, message = SPOILT[case]
    content = copy.deepcopy(cocovid())
    spoil(content)
    with pytest.raises(ValueError, match=message):
        forth(cocovid_to_vis, tmp_path, content)
    assert not (tmp_path / 'out.json').exists()


def test_an_id_0_is_refused(tmp_path):
    content = vis_json(CATEGORIES, LABELS)
    content['annotations'][0]['id'] = 0
    with pytest.raises(ValueError, match=r'source\.json: annotations: an id is 0.*--fix'):
        forth(vis_to_cocovid, tmp_path, content)

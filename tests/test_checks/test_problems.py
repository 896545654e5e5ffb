"""Each planted fault is found, and all of them together."""

from __future__ import annotations

import copy
from functools import partial

import pytest
from PIL import Image

from rocovis_mm.checks.problems import (
    check,
    compare_classes,
    describe_image_faults,
    find_image_faults,
    find_problems,
)
from rocovis_mm.formats.vis_annotations import inspect_vis_annotations
from tests.test_datasets.drawn_scene import LENGTH, vis_json, write_images
from tests.test_datasets.vis_content import CONTENT

CATEGORIES = [dict(id=4, name='cat'), dict(id=9, name='dog')]
LABELS = dict(red=4, blue=9, green=9)


def scene():
    return copy.deepcopy(vis_json(CATEGORIES, LABELS))


def set_in(content, path, value):
    *way, last = path
    for key in way:
        content = content[key]
    content[last] = value


def zero_category(content):
    content['categories'][0]['id'] = 0
    content['annotations'][0]['category_id'] = 0


def zero_video(content):
    content['videos'][1]['id'] = content['annotations'][2]['video_id'] = 0


FAULTS = {
    'annotation id 0': (
        lambda c: set_in(c, ('annotations', 1, 'id'), 0),
        'a.json: annotations: an id is 0; number from 1',
    ),
    'video id 0': (zero_video, 'a.json: videos: an id is 0'),
    'category id 0': (zero_category, 'a.json: categories: an id is 0'),
    'annotation id twice': (
        lambda c: set_in(c, ('annotations', 1, 'id'), 1),
        'annotations[1].id: duplicate annotation id 1 (also annotations[0])',
    ),
    'video id twice': (
        lambda c: c['videos'].append(dict(c['videos'][0], file_names=['x'] * LENGTH)),
        'videos[2].id: duplicate video id 1',
    ),
    'category twice': (
        lambda c: c['categories'].append(dict(id=9, name='wolf')),
        'categories[2].id: duplicate category id 9',
    ),
    'length of a video': (
        lambda c: set_in(c, ('videos', 0, 'length'), 7),
        'video 1: length is 7 but there are 4 file_names',
    ),
    'length of a track': (
        lambda c: c['annotations'][0]['segmentations'].pop(),
        'annotation 1.segmentations: 3 entries for a video of 4 frames',
    ),
    'length of areas': (
        lambda c: c['annotations'][0]['areas'].append(3),
        'annotation 1.areas: 5 entries for a video of 4 frames',
    ),
    'length of boxes': (
        lambda c: c['annotations'][2]['bboxes'].pop(),
        'annotation 3.bboxes: 3 entries',
    ),
    'size of a mask': (
        lambda c: set_in(c, ('annotations', 0, 'segmentations', 2, 'size'), [32, 20]),
        'annotation 1.segmentations[2].size: [32, 20] where the frame is [20, 32]',
    ),
    'counts of a mask': (
        lambda c: set_in(c, ('annotations', 0, 'segmentations', 1, 'counts'), [3]),
        'annotation 1.segmentations[1].counts: malformed',
    ),
    'an empty track': (
        lambda c: set_in(c, ('annotations', 0, 'segmentations'), [None] * LENGTH),
        'annotation 1: it has no mask in any frame',
    ),
    'an unknown category': (
        lambda c: set_in(c, ('annotations', 0, 'category_id'), 5),
        'annotation 1: unknown category 5, the file has [4, 9]',
    ),
    'an unknown video': (
        lambda c: set_in(c, ('annotations', 0, 'video_id'), 5),
        'video 5, annotation 1: there is no such video',
    ),
    'no height': (lambda c: c['videos'][0].pop('height'), "video 1: missing key 'height'"),
    'no categories': (lambda c: c.pop('categories'), "missing key 'categories'"),
    'refined masks': (
        lambda c: set_in(c, ('annotations', 0, 'segmentations_refined'), [None, [[1, 1]], 3, None]),
        'annotation 1.segmentations_refined[2]: expected a dict',
    ),
}


def test_nothing_is_wrong_with_a_sound_file():
    for content in (scene(), copy.deepcopy(CONTENT)):
        assert find_problems(content, 'a.json')[1] == []
    test_set = scene()
    del test_set['annotations']
    annotations, problems = find_problems(test_set, 'a.json')
    assert problems == [] and len(annotations.videos) == 2


@pytest.mark.parametrize('case', FAULTS)
def test_each_fault_is_found(case):
    plant, message = FAULTS[case]
    content = scene()
    plant(content)
    problems = find_problems(content, 'a.json')[1]
    assert any(message in problem for problem in problems)
    assert all(problem.startswith('a.json: ') and ';' in problem for problem in problems)
    assert len(problems) == (2 if case == 'refined masks' else 1)  # and nothing follows from it


def test_all_faults_are_found_together():
    """Six faults of different kinds in one file, none hides another."""
    content = scene()
    cases = ('annotation id 0', 'length of areas', 'size of a mask', 'counts of a mask')
    for case in (*cases, 'refined masks', 'length of boxes', 'category twice'):
        FAULTS[case][0](content)
    problems = find_problems(content, 'a.json')[1]
    assert len(problems) == 8
    for case in (*cases, 'refined masks', 'length of boxes', 'category twice'):
        assert any(FAULTS[case][1] in problem for problem in problems)


FOREIGN = {
    'CocoVID': (dict(images=[{}], videos=[{}], annotations=[]), 'cocovid_to_vis.py'),
    'COCO': (dict(images=[{}], annotations=[]), 'image data set'),
    'results': ([dict(video_id=1, score=1)], 'a list, as results files are'),
    'YouTube-VOS': (dict(videos=dict(a=dict(objects={}))), 'davis_to_vis.py'),
    'VIPSeg': (dict(videos=[dict(video_id='a', images=[])], annotations=[]), 'vipseg_to_vis.py'),
    'text': ('hello', 'expected a dict'),
}


@pytest.mark.parametrize('case', FOREIGN)
def test_files_that_were_not_converted(case):
    content, message = FOREIGN[case]
    problems = find_problems(content, 'a.json')[1]
    assert len(problems) == 1 and message in problems[0]


@pytest.fixture
def images(tmp_path):
    write_images(tmp_path)
    return tmp_path


def look(folder, **kwargs):
    videos = inspect_vis_annotations(scene(), 'a.json')[0].videos
    return find_image_faults(videos, str(folder), **kwargs)


@pytest.mark.parametrize('threads', [1, 3])
def test_missing_and_broken_images(images, threads):
    assert look(images, threads=threads) == []
    (images / 'one/00001.jpg').unlink()
    (images / 'one/00002.jpg').unlink()
    whole = (images / 'two/00000.jpg').read_bytes()
    (images / 'two/00000.jpg').write_bytes(whole[: len(whole) // 2])
    (images / 'two/00001.jpg').write_bytes(b'')
    (images / 'two/00002.jpg').write_text('<html>not found</html>')
    write_images(images / 'small', ['two'], height=10)
    (images / 'small/two/00003.jpg').rename(images / 'two/00003.jpg')
    faults = look(images, threads=threads)
    assert [(fault.video_id, fault.frame, fault.kind, fault.size) for fault in faults] == [
        (1, 1, 'missing', None),
        (1, 2, 'missing', None),
        (2, 0, 'broken', None),
        (2, 1, 'broken', None),
        (2, 2, 'broken', None),
        (2, 3, 'size', (10, 32)),
    ]
    lines = describe_image_faults(faults, 'a.json')
    assert 'video 1: 2 images are missing: one/00001.jpg, one/00002.jpg; put them' in lines[0]
    assert '3 images are no whole image: two/00000.jpg, two/00001.jpg' in lines[1]
    assert '1 images are 10 x 32 (height x width), not as the json says: two/00003' in lines[2]


def test_headers_alone_do_not_show_what_is_cut_off(images):
    whole = (images / 'two/00000.jpg').read_bytes()
    (images / 'two/00000.jpg').write_bytes(whole[:-10])
    (images / 'two/00001.jpg').write_text('<html>not found</html>')
    assert [fault.frame for fault in look(images, decode=False)] == [1]
    assert [fault.frame for fault in look(images)] == [0, 1]


def test_classes_of_a_config():
    annotations = inspect_vis_annotations(scene(), 'a.json')[0]
    assert compare_classes(annotations, 'a.json', ('dog', 'cat'), 2) == []
    absent, outside, model = compare_classes(annotations, 'a.json', ('dog', 'wolf'), 40)
    assert "classes ['wolf'] are not there" in absent
    assert "1 annotations are of 'cat'" in outside
    assert '2 classes but a model for 40' in model
    problems = check(scene(), 'a.json', class_lists=[('cat',), ('dog',)])[1]
    assert len(problems) == 2


def test_nothing_to_learn():
    """Training refuses such files, so the check does."""
    content = scene()
    for note in content['annotations']:
        note['iscrowd'] = 1
    (problem,) = find_problems(content, 'a.json')[1]
    assert "no video holds an instance of the classes ['cat', 'dog'] that is not a crowd" in problem
    content = scene()
    content['categories'].append(dict(id=12, name='fish'))
    problems = check(content, 'a.json', class_lists=[('fish',)])[1]
    assert len(problems) == 3
    assert "no video holds an instance of the classes ['fish']" in problems[-1]
    assert len(check(content, 'a.json', class_lists=[('fish', 'dog')])[1]) == 1


@pytest.mark.parametrize('decode', [True, False])
def test_images_that_are_turned_and_files_of_several_frames(tmp_path, decode):
    """The header and the pixels give one opinion, and EXIF is named."""
    write_images(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    for t in range(LENGTH):
        path = tmp_path / f'one/{t:05d}.jpg'
        Image.open(path).save(path, exif=exif)
    picture = Image.new('RGB', (32, 20))
    (tmp_path / 'two/00001.jpg').unlink()
    pages = [Image.new('RGB', (32, 20), (90, 0, 0))]
    picture.save(tmp_path / 'two/00001.jpg', 'TIFF', save_all=True, append_images=pages)
    look = partial(find_image_faults, folder=str(tmp_path), decode=decode)
    problems = check(scene(), 'a.json', look)[1]
    assert len(problems) == 2
    assert 'video 1: 4 images are 32 x 20 (height x width), turned as their EXIF' in problems[0]
    assert 'video 2: 1 images are files of several frames: two/00001.jpg' in problems[1]

"""What was written on another system or by another tool is mended, and nothing is ever emptied."""

from __future__ import annotations

import copy
import json
import unicodedata
from functools import partial

import pytest

from rocovis_mm.checks.mending import mend
from rocovis_mm.checks.problems import check, find_image_faults
from rocovis_mm.formats.missing_images import find_missing_images, find_renames
from rocovis_mm.formats.vis_annotations import inspect_vis_annotations
from tests.test_checks.test_problems import scene
from tests.test_datasets.drawn_scene import LENGTH, write_images


@pytest.fixture
def look(tmp_path):
    write_images(tmp_path / 'img')
    return partial(find_image_faults, folder=str(tmp_path / 'img'))


def rename(change):
    def spoil(content):
        for video in content['videos']:
            video['file_names'] = [change(name) for name in video['file_names']]

    return spoil


def text_ids(content):
    for note in content['annotations']:
        note.update(id=str(note['id']), category_id=str(note['category_id']))
        note['video_id'] = str(note['video_id'])
    for record in content['videos'] + content['categories']:
        record['id'] = str(record['id'])
    content['videos'][0]['height'] = str(content['videos'][0]['height'])


def named_references(content):
    names = {category['id']: category['name'] for category in content['categories']}
    for note in content['annotations']:
        note['category_id'] = names[note['category_id']]


def singular_keys(content):
    for note in content['annotations']:
        for old, new in (('segmentations', 'segmentation'), ('bboxes', 'bbox'), ('areas', 'area')):
            note[new] = note.pop(old)


SPELLINGS = dict(
    backslashes=rename(lambda name: name.replace('/', '\\')),
    capitals=rename(lambda name: name.replace('.jpg', '.JPG')),
    folders=rename(str.upper),
    prefix=rename(lambda name: 'JPEGImages/' + name),
    windows=rename(lambda name: 'C:\\data\\' + name.replace('/', '\\')),
    absolute=rename(lambda name: '/home/me/data/' + name),
    text_ids=text_ids,
    named_references=named_references,
    singular_keys=singular_keys,
)


@pytest.mark.parametrize('case', SPELLINGS)
def test_other_spellings_are_found_and_mended(case, look):
    content = scene()
    SPELLINGS[case](content)
    assert check(content, 'a.json', look)[1]
    assert mend(content, 'a.json', look)
    assert content == scene()
    assert check(content, 'a.json', look)[1] == []


def test_unicode_forms(tmp_path):
    names = [unicodedata.normalize('NFD', f'é/{t}.jpg') for t in range(2)]
    (tmp_path / unicodedata.normalize('NFC', 'é')).mkdir()
    for t in range(2):
        (tmp_path / unicodedata.normalize('NFC', f'é/{t}.jpg')).write_bytes(b'')
    found = find_renames(names, [], str(tmp_path))
    assert found == {name: unicodedata.normalize('NFC', name) for name in names}


def test_names_that_may_mean_several_images_stay(tmp_path):
    write_images(tmp_path)
    (tmp_path / 'one/00000.JPG').write_bytes(b'')
    (tmp_path / '00001.jpg').write_bytes(b'')
    root = str(tmp_path)
    assert find_renames(['one/00000.Jpg', 'one/00001.Jpg'], [], root) == {
        'one/00001.Jpg': 'one/00001.jpg'
    }
    # one image for two names, one that has its name already, one in a folder that is not there
    assert find_renames(['ONE/00001.jpg', 'One/00001.jpg'], [], root) == {}
    assert find_renames(['ONE/00001.jpg'], ['one/00001.jpg'], root) == {}
    assert find_renames(['three/00001.jpg'], ['one/00001.jpg'], root) == {}


def test_backslashes_without_a_look_at_the_images():
    content = scene()
    SPELLINGS['backslashes'](content)
    problems = check(content, 'a.json')[1]
    assert len(problems) == 2 and 'video 1: file names have backslashes' in problems[0]
    assert len(mend(content, 'a.json')) == 2
    assert content == scene()


def test_training_names_the_image_that_is_there(look, tmp_path):
    content = scene()
    SPELLINGS['capitals'](content)
    videos = inspect_vis_annotations(content, 'a.json')[0].videos
    problems = find_missing_images('a.json', str(tmp_path / 'img'), videos)
    assert len(problems) == 2
    assert 'first one/00000.JPG; the folder has one/00000.jpg' in problems[0]
    assert 'check_dataset.py --fix' in problems[0]


def test_ids_that_are_no_numbers_are_numbered():
    content = scene()
    for video in content['videos']:
        video['id'] = f'vid{video["id"]}'
    for note in content['annotations']:
        note['video_id'] = f'vid{note["video_id"]}'
    content['annotations'][0]['id'] = '2'  # there is a 2 already
    mend(content, 'a.json')
    expected = scene()
    expected['annotations'][0]['id'] = content['annotations'][0]['id']
    assert content == expected
    assert content['annotations'][0]['id'] == 4


def test_keys_of_single_images_are_left_alone():
    """Four numbers are a box, not four boxes; polygons of one image are not masks of frames."""
    content = scene()
    content['annotations'][0]['bbox'] = [1, 2, 3, 4]
    del content['annotations'][0]['bboxes']
    content['annotations'][1]['segmentation'] = [[0, 0, 4, 0, 4, 4]] * LENGTH
    del content['annotations'][1]['segmentations']
    done = mend(content, 'a.json')
    assert len(done) == 1 and 'annotation 2 of video 1 taken out' in done[0]
    assert content['annotations'][0]['bbox'] == [1, 2, 3, 4]


def test_frames_in_the_order_of_their_letters():
    content = scene()
    numbers = [1, 10, 11, 2]
    content['videos'][0]['file_names'] = [f'one/frame{number}.jpg' for number in numbers]
    before = copy.deepcopy(content)
    problems = check(content, 'a.json')[1]
    assert len(problems) == 1 and 'order of their letters (one/frame1.jpg, ' in problems[0]
    assert len(mend(content, 'a.json')) == 1
    order = [0, 3, 1, 2]
    for record, old in zip(content['annotations'], before['annotations']):
        for key in ('segmentations', 'bboxes', 'areas'):
            expected = [old[key][t] for t in order] if old['video_id'] == 1 else old[key]
            assert record[key] == expected
    assert content['videos'][0]['file_names'] == [f'one/frame{n}.jpg' for n in (1, 2, 10, 11)]
    assert content['videos'][1] == before['videos'][1]


@pytest.mark.parametrize(
    'names',
    [['a1f', 'a10e', 'a2b', 'a9'], ['1_9', '10_8', '2_7', '3_1'], ['10', '1', '2', '3']],
)
def test_other_orders_are_the_users(names):
    content = scene()
    content['videos'][0]['file_names'] = [f'one/{name}.jpg' for name in names]
    assert check(content, 'a.json')[1] == []


def other_masks(content):
    for note in content['annotations']:
        note['segmentations'] = [3] * LENGTH


EMPTYING = {
    'other images': (rename(lambda name: f'other/{name[:-4]}.png'), 'none of its videos'),
    'other masks': (
        lambda content: [
            note.update(segmentations=[3] * LENGTH) for note in content['annotations']
        ],
        r'none of its annotations would be left \(annotation 1 of video 1 taken out: ',
    ),
    'no annotations': (lambda content: content['annotations'].clear(), 'none of its annotations'),
    'no videos': (lambda content: content['videos'].clear(), 'none of its videos'),
}


@pytest.mark.parametrize('case', EMPTYING)
def test_nothing_is_mended_where_nothing_would_be_left(case, look):
    spoil, message = EMPTYING[case]
    content = scene()
    spoil(content)
    assert check(json.loads(json.dumps(content)), 'a.json', look)[1]
    with pytest.raises(ValueError, match=message):
        mend(content, 'a.json', look)

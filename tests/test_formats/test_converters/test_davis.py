"""Folders of PNG masks, drawn by hand, against what is read from the json."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from rocovis_mm.formats.converters.davis import convert_davis
from tests.test_datasets.drawn_scene import (
    BOXES,
    HEIGHT,
    LENGTH,
    WIDTH,
    check_tracks,
    masks_of,
    write_images,
    write_json,
)

NUMBERS = dict(red=1, blue=3, green=1)
VOID = 255


@pytest.fixture
def davis(tmp_path):
    """Palette images with a void corner, as DAVIS 2017 and YouTube-VOS have them."""
    write_images(tmp_path / 'images')
    for video in BOXES:
        (tmp_path / 'masks' / video).mkdir(parents=True)
        for t in range(LENGTH):
            ids = np.zeros((HEIGHT, WIDTH), np.uint8)
            ids[0, 30:] = VOID
            for name, masks in masks_of(video).items():
                ids[masks[t] > 0] = NUMBERS[name]
            picture = Image.fromarray(ids)
            picture.putpalette([value for i in range(256) for value in (255 - i, 7 * i % 256, i)])
            picture.save(tmp_path / 'masks' / video / f'{t:05d}.png')
    return tmp_path


def convert(folder, **kwargs):
    lines = convert_davis(folder / 'images', folder / 'masks', folder / 'out.json', **kwargs)
    return lines, json.loads((folder / 'out.json').read_text())


def scene():
    return {video: masks_of(video) for video in BOXES}


def test_indices_are_objects_and_void_is_none(davis):
    lines, content = convert(davis)
    assert lines == [f'{davis}/out.json: 2 videos, 3 objects']
    check_tracks(content, scene(), dict.fromkeys(NUMBERS, 'object'))
    assert content['videos'][0]['file_names'] == [f'one/{t:05d}.jpg' for t in range(LENGTH)]
    assert content['categories'] == [dict(id=1, name='object')]
    assert convert(davis)[0] == [f'{davis}/out.json: exists already']


def test_classes_of_a_file(davis):
    classes = dict(one={'1': 'person', '3': 'dog'}, two={'1': 'dog'})
    path = write_json(davis / 'classes.json', classes)
    _, content = convert(davis, class_file=path)
    check_tracks(content, scene(), dict(red='person', blue='dog', green='dog'))
    assert content['categories'] == [dict(id=1, name='dog'), dict(id=2, name='person')]


def test_frames_without_mask_and_videos_outside_the_split_are_left_out(davis):
    (davis / 'masks/one/00001.png').unlink()
    (davis / 'split.txt').write_text('one\n\n')
    lines, content = convert(davis, split_file=davis / 'split.txt')
    assert lines[1] == '1 images without a mask are left out'
    kept = {'one': {name: masks[[0, 2, 3]] for name, masks in masks_of('one').items()}}
    check_tracks(content, kept, dict.fromkeys(NUMBERS, 'object'))
    assert content['videos'][0]['length'] == 3


def test_frames_are_in_the_order_of_their_numbers(tmp_path):
    for t in range(12):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[: t + 1, :5] = 1
        for folder, ending in (('images/v', 'jpg'), ('masks/v', 'png')):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(tmp_path / folder / f'frame{t + 1}.{ending}')
            (tmp_path / folder / f'._frame{t + 1}.{ending}').write_bytes(b'\0\5\26\7')
    (tmp_path / 'masks/__MACOSX').mkdir()
    (tmp_path / 'images/v/Thumbs.db').write_bytes(b'')
    _, content = convert(tmp_path)
    names = content['videos'][0]['file_names']
    assert names == [f'v/frame{t + 1}.jpg' for t in range(12)]
    assert content['annotations'][0]['areas'] == [5 * (t + 1) for t in range(12)]


def test_masks_of_photos_that_are_turned(davis):
    """Masks are drawn on what a viewer shows, and loaders load; else the message names EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in (davis / 'images/two').iterdir():
        Image.open(path).save(path, exif=exif)
    with pytest.raises(ValueError, match=r'\(32, 20\) \(turned as its EXIF orientation 6 says\)'):
        convert(davis)
    for path in (davis / 'masks/two').iterdir():
        Image.open(path).transpose(Image.Transpose.ROTATE_270).save(path)
    _, content = convert(davis)
    assert (content['videos'][1]['height'], content['videos'][1]['width']) == (WIDTH, HEIGHT)


def test_masks_of_one_object(davis):
    """DAVIS-2016: 0 and 255; without --binary these would be void."""
    for video in BOXES:
        for path in (davis / 'masks' / video).iterdir():
            ids = np.array(Image.open(path))
            Image.fromarray(np.where((ids > 0) & (ids < VOID), 255, 0).astype(np.uint8)).save(path)
    with pytest.raises(ValueError, match='void.*--binary'):
        convert(davis)
    assert not (davis / 'out.json').exists()
    _, content = convert(davis, binary=True)
    both = {video: {'all': np.bitwise_or.reduce(list(masks_of(video).values()))} for video in BOXES}
    check_tracks(content, both, dict(all='object'))


def spoil_class(folder):
    write_json(folder / 'classes.json', dict(one={'1': 'person'}, two={'1': 'dog'}))


def spoil_size(folder):
    path = folder / 'masks/two/00002.png'
    Image.fromarray(np.array(Image.open(path))[:-1]).save(path)


SPOILT = {
    'an object without class': (
        spoil_class,
        r'one/0000\d\.png: object 3 of video one has no class',
    ),
    'a mask of another size': (spoil_size, r'two/00002\.png: height and width are \(19, 32\)'),
    'a colour image': (
        lambda folder: Image.new('RGB', (WIDTH, HEIGHT)).save(folder / 'masks/one/00000.png'),
        r'one/00000\.png: has colours.*one number per pixel',
    ),
    'a mask without image': (
        lambda folder: (folder / 'images/one/00003.jpg').unlink(),
        r'masks/one: 00003\.png has no image',
    ),
    'a video without images': (
        lambda folder: (folder / 'images/two').rename(folder / 'images/gone'),
        'images/two: no such folder',
    ),
    'no masks': (lambda folder: (folder / 'masks').rename(folder / 'x'), 'masks: no such folder'),
}


@pytest.mark.parametrize('case', SPOILT)
def test_what_is_wrong_is_named(davis, case):
    spoil, message = SPOILT[case]
    spoil(davis)
    classes = davis / 'classes.json'
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(davis, class_file=classes if classes.exists() else None)
    assert not (davis / 'out.json').exists()


def test_a_class_file_of_another_form(davis):
    path = write_json(davis / 'classes.json', dict(one=['person']))
    with pytest.raises(ValueError, match=r'classes\.json: one: expected a dict'):
        convert(davis, class_file=path)


MOTS_NUMBERS = dict(red=1001, blue=2007, green=2001)
IGNORE = 10000


@pytest.fixture
def mots(davis):
    """The same scene as KITTI MOTS has it; a region to be ignored in the corner."""
    write_mots(davis, MOTS_NUMBERS)
    return davis


def write_mots(folder, numbers, ignored=IGNORE):
    for video in BOXES:
        for t in range(LENGTH):
            ids = np.zeros((HEIGHT, WIDTH), np.uint16)
            ids[0, 30:] = ignored
            for name, masks in masks_of(video).items():
                ids[masks[t] > 0] = numbers[name]
            Image.fromarray(ids).save(folder / 'masks' / video / f'{t:05d}.png')


@pytest.mark.parametrize('numbers', ['auto', 'mots'])
def test_mots_masks_hold_class_and_instance(mots, numbers):
    lines, content = convert(mots, numbers=numbers)
    check_tracks(content, scene(), dict(red='car', blue='pedestrian', green='pedestrian'))
    assert content['categories'] == [dict(id=1, name='car'), dict(id=2, name='pedestrian')]
    assert lines[0].endswith('3 objects') and 'read as MOTS masks' in lines[1]


def test_mots_classes_of_a_file(mots):
    path = write_json(mots / 'classes.json', {'1': 'tram', '2': 'cyclist'})
    _, content = convert(mots, class_file=path)
    check_tracks(content, scene(), dict(red='tram', blue='cyclist', green='cyclist'))
    write_json(path, {'1': 'tram'})
    with pytest.raises(ValueError, match=r"number 2007 is of none of the classes \{1: 'tram'\}"):
        convert(mots, class_file=path, overwrite=True)


def test_numbers_of_16_bits_are_objects_where_they_are_told(mots):
    write_mots(mots, dict(MOTS_NUMBERS, blue=255), ignored=0)
    with pytest.raises(ValueError, match=r'png: number 255 is of none.*--numbers objects'):
        convert(mots)
    _, content = convert(mots, numbers='objects')
    check_tracks(content, scene(), dict.fromkeys(NUMBERS, 'object'))


def test_small_numbers_of_16_bits_are_objects_and_255_is_one(mots):
    write_mots(mots, dict(red=255, blue=3, green=256), ignored=0)
    lines, content = convert(mots)
    check_tracks(content, scene(), dict.fromkeys(NUMBERS, 'object'))
    assert len(lines) == 1
    (mots / 'out.json').unlink()
    write_mots(mots, dict(red=255, blue=3, green=4000), ignored=0)
    with pytest.raises(ValueError, match=r'number 4000 may be.*--numbers objects or'):
        convert(mots)

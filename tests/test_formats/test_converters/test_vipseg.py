"""VIPSeg as it is released and as its scripts leave it, written by hand, against drawn masks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from rocovis_mm.formats.converters import vipseg
from rocovis_mm.formats.converters.vipseg import convert_vipseg
from rocovis_mm.formats.vis_annotations import read_vis_annotations
from tests.test_datasets.drawn_scene import (
    BOXES,
    HEIGHT,
    LENGTH,
    WIDTH,
    check_tracks,
    masks_of,
    write_images,
)

# 'red' and 'blue' are persons (label 61, so 6100 + number), 'green' a car (49)
NUMBERS = dict(red=6100, blue=6101, green=4903)
CATEGORIES = dict(red='person', blue='person', green='car')
WALL, FLOOR, VOID, ODD_CEILING = 1, 14, 0, 200


def number_image(video, t):
    """Frame t of ``panomasks``: things over stuff, a void corner, a number of a stuff class."""
    ids = np.full((HEIGHT, WIDTH), WALL, np.uint16)
    ids[15:] = FLOOR
    ids[0, :3] = VOID
    ids[19, 25:30] = ODD_CEILING
    for name, masks in masks_of(video).items():
        ids[masks[t] > 0] = NUMBERS[name]
    return ids


def expected():
    return {video: masks_of(video) for video in BOXES}


@pytest.fixture
def released(tmp_path):
    """VIPSeg as it is downloaded: video one in train, two in val, three (no masks) in test."""
    root = tmp_path / 'VIPSeg'
    write_images(root / 'imgs', [*BOXES, 'three'], stem='{:08d}')
    for video in BOXES:
        (root / 'panomasks' / video).mkdir(parents=True)
        for t in range(LENGTH):
            path = root / 'panomasks' / video / f'{t:08d}.png'
            Image.fromarray(number_image(video, t)).save(path)
    for split, video in (('train', 'one'), ('val', 'two'), ('test', 'three')):
        (root / f'{split}.txt').write_text(f'{video}\n')
    return root


def colored(released, tmp_path):
    """The same as VIPSeg's scripts leave it: colours and a json."""
    root = tmp_path / 'VIPSeg_720P'
    (released / 'imgs').rename(released / 'images')
    released.rename(root)
    (root / 'panomasks').rename(tmp_path / 'numbers')
    for split, video in (('train', 'one'), ('val', 'two')):
        shades, annotations = {}, []
        for t in range(LENGTH):
            ids = np.array(Image.open(tmp_path / 'numbers' / video / f'{t:08d}.png'))
            pixels = np.zeros((*ids.shape, 3), np.uint8)
            segments = []
            for number in np.unique(ids[ids > 0]).tolist():
                shade = shades.setdefault(number, (number % 251, 7 * len(shades), 3))
                pixels[ids == number] = shade
                label = number if number < 125 else number // 100
                key = shade[0] + 256 * shade[1] + 65536 * shade[2]
                segments.append(dict(id=key, category_id=label - 1, iscrowd=0, area=1))
            (root / 'panomasksRGB' / video).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / 'panomasksRGB' / video / f'{t:08d}.png')
            name = f'{t:08d}.png'
            annotations.append(dict(image_id=name[:-4], file_name=name, segments_info=segments))
        content = dict(
            videos=[dict(video_id=video, images=[])],
            annotations=[dict(video_id=video, annotations=annotations)],
            categories=[],
        )
        (root / f'panoptic_gt_VIPSeg_{split}.json').write_text(json.dumps(content))
    return root


def convert(root, out, **kwargs):
    lines = convert_vipseg(root, out, **kwargs)
    return lines, {path.stem: json.loads(path.read_text()) for path in sorted(out.glob('*.json'))}


def test_numbers_become_tracks(released, tmp_path):
    lines, files = convert(released, tmp_path / 'out')
    assert lines == [
        f'{tmp_path}/out/train.json: 1 videos, 2 things',
        f'{tmp_path}/out/val.json: 1 videos, 1 things',
    ]
    for split, video in (('train', 'one'), ('val', 'two')):
        content = files[split]
        check_tracks(content, {video: masks_of(video)}, CATEGORIES)
        assert content['videos'] == [
            dict(
                id=1,
                height=HEIGHT,
                width=WIDTH,
                length=LENGTH,
                file_names=[f'{video}/{t:08d}.jpg' for t in range(LENGTH)],
            )
        ]
        assert len(content['categories']) == 58
        assert {c['name']: c['id'] for c in content['categories']}['person'] == 60
        assert read_vis_annotations(tmp_path / 'out' / f'{split}.json').videos
    assert not (tmp_path / 'out/images').exists()
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['train.json', 'val.json']


def test_colors_with_their_json_give_the_same(released, tmp_path):
    convert(released, tmp_path / 'from_numbers')
    root = colored(released, tmp_path)
    convert(root, tmp_path / 'from_colors')
    for split, video in (('train', 'one'), ('val', 'two')):
        content = json.loads((tmp_path / f'from_colors/{split}.json').read_text())
        check_tracks(content, {video: masks_of(video)}, CATEGORIES)
        other = json.loads((tmp_path / f'from_numbers/{split}.json').read_text())
        assert content['videos'] == other['videos']


def test_a_test_split_has_videos_but_no_annotations(released, tmp_path):
    lines, files = convert(released, tmp_path / 'out', splits=['test'])
    assert '1 videos, 0 things' in lines[0]
    assert 'annotations' not in files['test']
    assert files['test']['videos'][0]['file_names'][0] == 'three/00000000.jpg'


def test_resized_to_a_height(released, tmp_path):
    """Half the size: nearest takes the pixels at the centres of 2 x 2 blocks, as Pillow has it."""
    _, files = convert(released, tmp_path / 'out', height=HEIGHT // 2)
    for split, video in (('train', 'one'), ('val', 'two')):
        small = {name: masks[:, 1::2, 1::2] for name, masks in masks_of(video).items()}
        check_tracks(files[split], {video: small}, CATEGORIES)
        record = files[split]['videos'][0]
        assert (record['height'], record['width']) == (HEIGHT // 2, WIDTH // 2)
        for name in record['file_names']:
            with Image.open(tmp_path / 'out/images' / name) as picture:
                assert picture.size == (WIDTH // 2, HEIGHT // 2)
                shown = np.asarray(picture.convert('RGB')).astype(int)
            with Image.open(released / 'imgs' / name) as picture:
                wanted = np.asarray(picture.reduce(2)).astype(int)
            assert abs(shown - wanted)[:, 3:].max() < 8  # away from the drawn edge


def test_a_width_that_does_not_divide_is_rounded_down_as_by_the_official_script(tmp_path):
    root = tmp_path / 'VIPSeg'
    write_images(root / 'imgs', ['one'], height=20, width=31)
    (root / 'train.txt').write_text('one')
    (root / 'panomasks/one').mkdir(parents=True)
    for t in range(LENGTH):
        ids = np.full((20, 31), 6100, np.uint16)
        Image.fromarray(ids).save(root / f'panomasks/one/{t:05d}.png')
    _, files = convert(root, tmp_path / 'out', splits=['train'], height=14)
    assert files['train']['videos'][0]['width'] == int(14 * 31 / 20) == 21
    assert files['train']['annotations'][0]['areas'] == [14 * 21] * LENGTH


def test_a_run_that_stopped_goes_on_and_a_finished_one_is_left_alone(
    released, tmp_path, monkeypatch
):
    (released / 'train.txt').write_text('one\ntwo\n')
    out = tmp_path / 'out'
    seen = []
    make = vipseg.VideoMaker.__call__

    def stop_at_the_second(self, video):
        seen.append(video['name'])
        if len(seen) == 2:
            raise KeyboardInterrupt
        return make(self, video)

    monkeypatch.setattr(vipseg.VideoMaker, '__call__', stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        convert(released, out, splits=['train'])
    assert not (out / 'train.json').exists()
    convert(released, out, splits=['train'])
    assert seen == ['one', 'two', 'two']
    check_tracks(json.loads((out / 'train.json').read_text()), expected(), CATEGORIES)
    whole = (out / 'train.json').read_bytes()

    assert 'exists already' in convert(released, out, splits=['train'])[0][0]
    assert len(seen) == 3
    with pytest.raises(ValueError, match=r'train\.json: exists.*--overwrite'):
        convert(released, out, splits=['train'], height=10)
    assert (out / 'train.json').read_bytes() == whole
    convert(released, out, splits=['train'], height=10, overwrite=True)
    assert (out / 'train.json').read_bytes() != whole


def test_processes_make_the_same_file(released, tmp_path):
    (released / 'train.txt').write_text('one\ntwo\n')
    convert(released, tmp_path / 'a', splits=['train'], height=10)
    convert(released, tmp_path / 'b', splits=['train'], height=10, jobs=2)
    assert (tmp_path / 'a/train.json').read_bytes() == (tmp_path / 'b/train.json').read_bytes()


def spoil_size(root):
    Image.fromarray(number_image('one', 0)[:, :-1]).save(root / 'panomasks/one/00000000.png')


def spoil_colors(root):
    Image.new('RGB', (WIDTH, HEIGHT)).save(root / 'panomasks/one/00000001.png')


def spoil_class(root):
    Image.fromarray(np.full((HEIGHT, WIDTH), 12500, np.uint16)).save(
        root / 'panomasks/one/00000002.png'
    )


def cut_off(root):
    path = root / 'panomasks/one/00000001.png'
    path.write_bytes(path.read_bytes()[:60])


SPOILT = {
    'no split file': (lambda root: (root / 'train.txt').unlink(), r'train\.txt: no such file'),
    'a video that is not there': (
        lambda root: (root / 'train.txt').write_text('one\nfour\n'),
        r'1 of the 2 videos of .*train\.txt are missing, first four',
    ),
    'a mask that is not there': (
        lambda root: (root / 'panomasks/one/00000002.png').unlink(),
        r'one/00000002\.png: there is no mask',
    ),
    'an image that is not there': (
        lambda root: (root / 'imgs/one/00000003.jpg').unlink(),
        r'one/00000003\.png: there is no image',
    ),
    'another size': (spoil_size, r'one/00000000\.png: is 20 x 31, its image 20 x 32'),
    'colours': (spoil_colors, r'one/00000001\.png: has colours.*panomasksRGB'),
    'no class': (spoil_class, r'one/00000002\.png: number 12500 is of no class'),
    'cut off': (cut_off, r'one/00000001\.png: no readable image'),
    'another folder': (lambda root: (root / 'imgs').rename(root / 'x'), 'neither imgs/ nor images'),
}


@pytest.mark.parametrize('case', SPOILT)
def test_what_is_wrong_is_named(released, tmp_path, case):
    spoil, message = SPOILT[case]
    spoil(released)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        convert(released, tmp_path / 'out')
    assert not (tmp_path / 'out/train.json').exists()


def test_the_source_is_never_overwritten(released):
    (released / 'imgs').rename(released / 'images')
    before = (released / 'images/one/00000000.jpg').read_bytes()
    with pytest.raises(ValueError, match='its images would be overwritten'):
        convert(released, released, height=10)
    assert (released / 'images/one/00000000.jpg').read_bytes() == before

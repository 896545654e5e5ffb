"""MOTS and DAVIS PNG masks: there and back, the files as Pillow reads them, numbers, faults."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from rocovis_mm.formats.converters.davis import convert_davis
from rocovis_mm.formats.converters.exchange import convert
from rocovis_mm.formats.converters.id_images import davis_palette
from rocovis_mm.formats.converters.vis_content import Settings
from tests.test_formats.test_converters.track_content import (
    BIG,
    assert_same_tracks,
    decode,
    encode,
    make_content,
    there_and_back,
    tracks_by_key,
    write_files,
)

FORMS = {'mots-png': (1001, 1002, 2001), 'davis-png': (3, 200, 17)}


@pytest.mark.parametrize('with_truth', (True, False))
@pytest.mark.parametrize('form', FORMS)
def test_annotations_come_back(tmp_path, form, with_truth):
    content = make_content(scores=False, numbers=FORMS[form])
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, form, truth, truth if with_truth else None)
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))
    assert not any('other numbers' in line or 'overlaps' in line for line in lines)


@pytest.mark.parametrize('form', FORMS)
def test_the_files(tmp_path, form):
    content = make_content(apart=False, numbers=FORMS[form])
    truth, results = write_files(tmp_path, content)
    lines = convert('vis', form, results, tmp_path / 'out', ground_truth=truth)
    expected_lost = 0
    for video in content['videos']:
        notes = [n for n in content['annotations'] if n['video_id'] == video['id']]
        for t, name in enumerate(video['file_names']):
            expected = np.zeros((video['height'], video['width']), np.int64)
            for note in sorted(notes, key=lambda note: note['score']):
                if note['segmentations'][t] is not None:
                    mask = decode(note['segmentations'][t])
                    expected_lost += np.count_nonzero(expected[mask])
                    expected[mask] = note['track_id']
            with Image.open((tmp_path / 'out' / name).with_suffix('.png')) as image:
                mode, palette = image.mode, image.getpalette()
                np.testing.assert_array_equal(np.asarray(image), expected)
            assert mode == ('P' if form == 'davis-png' else 'I;16')
            assert form != 'davis-png' or palette == davis_palette()
    assert any(line.startswith(f'overlaps: {expected_lost} pixels') for line in lines)
    assert any('holds no scores: those of 6 tracks are dropped' in line for line in lines)


def test_the_palette_is_that_of_voc():
    """The first 22 colours as VOC's and DAVIS' toolkits list them, and the last one."""
    known = (
        '000000 800000 008000 808000 000080 800080 008080 808080 400000 c00000 408000 c08000 '
        '400080 c00080 408080 c08080 004000 804000 00c000 80c000 004080 804080'
    )
    assert bytes(davis_palette()[:66]).hex(' ', 3) == known
    assert davis_palette()[-3:] == [224, 224, 192]


@pytest.mark.parametrize('form', FORMS)
def test_other_numbers_are_replaced_and_that_is_said(tmp_path, form):
    content = make_content(numbers=(5, BIG, -3))
    truth, results = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, form, results, truth, results=True)
    found, expected = (
        tracks_by_key(content, n, number=False) for n in (back, content['annotations'])
    )
    assert_same_tracks(found, expected, scores=False)
    assert any('6 tracks get other numbers' in line for line in lines)
    numbers = sorted(note['track_id'] for note in back if note['video_id'] == 4)
    if form == 'davis-png':
        assert numbers == [1, 2, 3]
    else:
        assert numbers == [1001, 1002, 2001]


def test_davis_keeps_classes_and_feeds_the_data_set_converter(tmp_path):
    content = make_content(names=('fox', 'cow'), scores=False, numbers=(1, 2, 3))
    truth, _ = write_files(tmp_path, content)
    convert('vis', 'davis-png', truth, tmp_path / 'out')
    for video in content['videos']:
        for name in video['file_names']:
            (tmp_path / 'imgs' / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new('L', (video['width'], video['height'])).save(tmp_path / 'imgs' / name)
    convert_davis(
        tmp_path / 'imgs',
        tmp_path / 'out',
        tmp_path / 'set.json',
        class_file=tmp_path / 'out/classes.json',
    )
    read = json.loads((tmp_path / 'set.json').read_text())
    found, expected = (tracks_by_key(c, number=False) for c in (read, content))
    assert_same_tracks(found, expected)


@pytest.mark.parametrize('keep', (True, False))
@pytest.mark.parametrize('form', FORMS)
def test_regions_to_be_ignored(tmp_path, form, keep):
    content = make_content(scores=False, numbers=FORMS[form])
    mask = np.ones((19, 27), bool)
    crowd = dict(id=9, video_id=4, category_id=7, iscrowd=1, track_id=5)
    content['annotations'].append(dict(crowd, segmentations=[encode(mask), None, None, None, None]))
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, form, truth, truth, keep_crowds=keep)
    tracks = tracks_by_key(back)
    others = np.any([v[0][0] for k, v in tracks.items() if k[0] == 'b' and not v[1]], 0)
    crowds = [masks[0] for masks, crowd, _ in tracks.values() if crowd]
    assert len(crowds) == (2 if keep else 0)
    for found in crowds:
        np.testing.assert_array_equal(found, ~others)
    assert any(line.startswith('1 masks of regions to be ignored') for line in lines)


@pytest.mark.parametrize(('form', 'most'), (('davis-png', 254), ('mots-png', 999)))
def test_too_many_objects(tmp_path, form, most):
    mask = np.zeros((2, 2), bool)
    mask[0, 0] = True
    video = dict(id=1, height=2, width=2, length=1, file_names=['a/0.jpg'])
    note = dict(video_id=1, category_id=1, segmentations=[encode(mask)])
    notes = [dict(note, id=300000 + n) for n in range(most + 1)]
    content = dict(videos=[video], categories=[dict(id=1, name='car')], annotations=notes)
    truth, _ = write_files(tmp_path, content)
    with pytest.raises(ValueError, match='video a: .*--score-thr'):
        convert('vis', form, truth, tmp_path / 'out')
    content['annotations'].pop()
    truth, _ = write_files(tmp_path, content)
    assert convert('vis', form, truth, tmp_path / 'out')


def test_frames_without_a_file_and_strange_files(tmp_path):
    content = make_content(scores=False, numbers=(1, 2, 3))
    truth, _ = write_files(tmp_path, content)
    convert('vis', 'davis-png', truth, tmp_path / 'out')
    (tmp_path / 'out/b/000002.png').unlink()
    read = Settings(overwrite=True)
    lines = convert('davis-png', 'vis', tmp_path / 'out', tmp_path / 'o.json', read, truth)
    assert '1 frames have no mask file; no track is in them' in lines
    image = Image.new('RGB', (27, 19))
    image.save(tmp_path / 'out/b/000002.png')
    with pytest.raises(ValueError, match='000002.png: has colours'):
        convert('davis-png', 'vis', tmp_path / 'out', tmp_path / 'o.json', read, truth)
    (tmp_path / 'out/b/000002.png').rename(tmp_path / 'out/b/77.png')
    with pytest.raises(ValueError, match=r'out/b: 77.png: .*truth.json has no such frame'):
        convert('davis-png', 'vis', tmp_path / 'out', tmp_path / 'o.json', read, truth)
    with pytest.raises(FileNotFoundError, match='gone: no such folder'):
        convert('mots-png', 'vis', tmp_path / 'gone', tmp_path / 'o.json')
    (tmp_path / 'out/classes.json').write_text('{"b": {"1": "car"}}')
    (tmp_path / 'out/b/77.png').unlink()
    with pytest.raises(ValueError, match='has no class in .*classes.json'):
        convert('davis-png', 'vis', tmp_path / 'out', tmp_path / 'o.json', read, truth)
    (tmp_path / 'out/classes.json').write_text('{"b": {"1": "yak"}}')
    with pytest.raises(ValueError, match="truth.json has no category 'yak'"):
        convert('davis-png', 'vis', tmp_path / 'out', tmp_path / 'o.json', read, truth)


def test_mots_masks_are_no_davis_masks(tmp_path):
    content = make_content(scores=False)
    truth, _ = write_files(tmp_path, content)
    convert('vis', 'mots-png', truth, tmp_path / 'out')
    with pytest.raises(
        ValueError, match=r'a/000000.png: number \d+ may be an .*read .*as mots-png'
    ):
        convert('davis-png', 'vis', tmp_path / 'out', tmp_path / 'o.json')
    names = {'1001': 'car', '1002': 'car', '2001': 'pedestrian'}
    (tmp_path / 'classes.json').write_text(json.dumps(dict(a=names, b=names)))
    told = Settings(classes=tmp_path / 'classes.json')
    convert('davis-png', 'vis', tmp_path / 'out', tmp_path / 'o.json', told)
    back = json.loads((tmp_path / 'o.json').read_text())
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))


@pytest.mark.parametrize('with_truth', (True, False))
@pytest.mark.parametrize('form', FORMS)
def test_videos_without_tracks_come_back(tmp_path, form, with_truth):
    content = dict(make_content(scores=False), annotations=[])
    truth, _ = write_files(tmp_path, content)
    back, _ = there_and_back(tmp_path, form, truth, truth if with_truth else None)
    assert len(back['videos']) == 2 and back['annotations'] == []


def test_a_mask_of_another_size_is_named(tmp_path):
    truth, _ = write_files(tmp_path, make_content(scores=False))
    convert('vis', 'mots-png', truth, tmp_path / 'out')
    Image.new('I;16', (27, 18)).save(tmp_path / 'out/b/000002.png')
    message = r'000002.png: height and width are \(18, 27\), those of its video \(19, 27\)'
    with pytest.raises(ValueError, match=message):
        convert('mots-png', 'vis', tmp_path / 'out', tmp_path / 'o.json')


def test_classes_of_videos_in_one_folder(tmp_path):
    """Such videos have their ids as names."""
    content = make_content(names=('fox', 'cow'), scores=False, numbers=(1, 2, 3))
    for video in content['videos']:
        video['file_names'] = [f'x/{video["id"]}_{t}.jpg' for t in range(video['length'])]
    truth, _ = write_files(tmp_path, content)
    convert('vis', 'davis-png', truth, tmp_path / 'out')
    convert('davis-png', 'vis', tmp_path / 'out', tmp_path / 'back.json', ground_truth=truth)
    found, expected = (
        {(n['video_id'], n['category_id'], json.dumps(n['segmentations'])) for n in each}
        for each in (json.loads((tmp_path / 'back.json').read_text())['annotations'],
                     content['annotations'])
    )  # fmt: skip
    assert found == expected

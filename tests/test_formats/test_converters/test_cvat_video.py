"""'CVAT for video' xml: there and back, the files by xml.etree and OpenCV, key frames, faults."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from rocovis_mm.formats.converters.exchange import convert
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

NUMBERS = (5, BIG, 12)


@pytest.mark.parametrize('with_truth', (True, False))
def test_masks_come_back(tmp_path, with_truth):
    content = make_content(scores=False, apart=False, numbers=NUMBERS)
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'cvat-video', truth, truth if with_truth else None)
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))
    assert not any('dropped' in line or 'key frames' in line for line in lines)


def test_scores_and_crowds_are_lost(tmp_path):
    content = make_content(numbers=NUMBERS)
    truth, results = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'cvat-video', results, truth, results=True)
    assert_same_tracks(tracks_by_key(content, back), tracks_by_key(content), scores=False)
    assert 'CVAT for video holds no scores: those of 6 tracks are dropped' in lines
    crowds = make_content(scores=False)
    crowds['annotations'][0]['iscrowd'] = 1
    truth, _ = write_files(tmp_path, crowds)
    lines = convert('vis', 'cvat-video', truth, tmp_path / 'other')
    assert 'CVAT for video holds no crowds: 1 are dropped' in lines


def read_masks(file, height, width):
    """Track id -> frame -> mask, by the description of the format; polygons by OpenCV."""
    found = {}
    for track in ElementTree.parse(file).getroot().findall('track'):
        frames = found.setdefault(int(track.get('id')), {})
        for shape in track:
            if shape.get('outside') == '1':
                continue
            mask = np.zeros((height, width), np.uint8)
            if shape.tag == 'mask':
                left, top, w, h = (int(shape.get(k)) for k in ('left', 'top', 'width', 'height'))
                value, flat = 0, []
                for count in shape.get('rle').split(', '):
                    flat += [value] * int(count)
                    value = 1 - value
                mask[top : top + h, left : left + w] = np.reshape(flat, (h, w))
            else:
                pairs = [pair.split(',') for pair in shape.get('points').split(';')]
                points = np.array(pairs, float) - 0.5  # OpenCV's pixels are at whole numbers
                cv2.fillPoly(mask, [np.round(points * 256).astype(np.int32)], 1, shift=8)
            frames[int(shape.get('frame'))] = mask.astype(bool)
    return found


@pytest.mark.parametrize('polygons', (False, True))
def test_the_files_by_another_reader(tmp_path, polygons):
    content = make_content(scores=False, apart=False, numbers=NUMBERS)
    if polygons:  # OpenCV also draws the pixels that a line crosses: compare with large parts
        for note in content['annotations']:
            shape = (19, 27) if note['video_id'] == 4 else (16, 23)
            mask = np.zeros(shape, bool)
            mask[2:13, 3:20] = True
            mask[5:9, 20:22] = True
            masks = note['segmentations']
            note['segmentations'] = [code and encode(mask) for code in masks]
    truth, _ = write_files(tmp_path, content)
    convert('vis', 'cvat-video', truth, tmp_path / 'out', Settings(polygons=polygons))
    for video, name in ((content['videos'][0], 'b'), (content['videos'][1], 'a')):
        found = read_masks(tmp_path / f'out/{name}.xml', video['height'], video['width'])
        for note in (n for n in content['annotations'] if n['video_id'] == video['id']):
            codes = dict(enumerate(note['segmentations']))
            expected = {t: decode(code) for t, code in codes.items() if code}
            frames = found.pop(note['track_id'])
            assert frames.keys() == expected.keys()
            for t, mask in expected.items():
                np.testing.assert_array_equal(frames[t], mask)
        assert not found


def test_polygons_keep_the_largest_part_and_name_the_loss(tmp_path):
    content = make_content(scores=False, apart=False, numbers=NUMBERS)
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'cvat-video', truth, polygons=True)
    found, ious = tracks_by_key(back), []
    for key, (masks, _, _) in tracks_by_key(content).items():
        for mask, other in zip(masks, found[key][0]):
            if mask.any():
                ious.append((mask & other).sum() / (mask | other).sum())
    (line,) = [line for line in lines if 'differ from their polygons' in line]
    lowest = float(re.search(r'lowest IoU is ([\d.]+), of', line).group(1))
    assert lowest == pytest.approx(min(ious), abs=1e-4) and min(ious) < 1


def xml(tracks, meta='<size>7</size>', size='<width>30</width><height>20</height>'):
    task = f'<task><name>c</name>{meta}<original_size>{size}</original_size></task>'
    return f'<annotations><version>1.1</version><meta>{task}</meta>{tracks}</annotations>'


def box(frame, left, outside=0, more=''):
    points = f'{left},2;{left + 6},2;{left + 6},9;{left},9{more}'
    return f'<polygon frame="{frame}" outside="{outside}" points="{points}"/>'


def read(folder, text, name='c.xml', truth=None):
    (folder / name).write_text(text)
    lines = convert('cvat-video', 'vis', folder / name, folder / 'o.json', ground_truth=truth)
    return json.loads((folder / 'o.json').read_text()), lines


def track(shapes):
    return xml(f'<track id="1" label="x">{shapes}</track>')


def small_mask(rle, left):
    return track(f'<mask frame="0" rle="{rle}" left="{left}" top="0" width="2" height="2"/>')


def expected_box(left):
    mask = np.zeros((20, 30), bool)
    mask[2:9, left : left + 6] = True
    return mask


def test_key_frames_are_filled_as_in_cvat(tmp_path):
    rle = '<mask frame="1" outside="0" rle="1, 3" left="4" top="5" width="2" height="2"/>'
    end = rle.replace('frame="1"', 'frame="3"').replace('outside="0"', 'outside="1"')
    moving = box(0, 2) + box(4, 10) + box(5, 12, 1)
    other = box(0, 2) + box(2, 10, more=';1,1') + box(6, 12)
    tracks = ''.join(
        f'<track id="{n}" label="x">{t}</track>'
        for n, t in enumerate((moving, rle + end, other), 4)
    )
    back, lines = read(tmp_path, xml(tracks))
    found = {key[2]: value[0] for key, value in tracks_by_key(back).items()}
    for t, left in enumerate((2, 4, 6, 8, 10)):
        np.testing.assert_array_equal(found[4][t], expected_box(left))
    assert not found[4][5:].any()
    assert [mask.sum() for mask in found[5]] == [0, 3, 3, 0, 0, 0, 0]
    np.testing.assert_array_equal(found[6][1], expected_box(2))  # the next has more points
    np.testing.assert_array_equal(found[6][5], found[6][2])
    assert '8 masks between or after key frames follow from these' in lines


def test_the_numbers_of_a_task_with_a_step(tmp_path):
    meta = '<size>3</size><start_frame>10</start_frame><frame_filter>step=5</frame_filter>'
    back, _ = read(
        tmp_path, xml(f'<track id="1" label="x">{box(15, 3)}{box(20, 3, 1)}</track>', meta)
    )
    assert back['videos'][0]['file_names'] == [f'c/frame_{t:06d}.png' for t in (10, 15, 20)]
    assert [code is not None for code in back['annotations'][0]['segmentations']] == [0, 1, 0]


def test_other_shapes_are_counted_and_the_task_names_the_video(tmp_path):
    visible = f'<track id="1" label="x">{box(0, 3)}{box(1, 3, 1)}</track>'
    boxes = '<track id="2" label="x"><box frame="0" xtl="1" ytl="1" xbr="2" ybr="2"/></track>'
    back, lines = read(tmp_path, xml(visible + boxes), 'annotations.xml')
    assert 'only polygons and masks are read; left out: 1 of type box' in lines
    assert back['videos'][0]['file_names'][0] == 'c/frame_000000.png'


FAULTS = {
    'not xml': ('<annotations', 'c.xml: not a complete xml file'),
    'images': ('<annotations><image/></annotations>', "c.xml: it is 'CVAT for images'"),
    'another xml': ('<svg/>', 'c.xml: it is <svg>'),
    'a size': (xml('', size=''), 'c.xml: meta has no original_size'),
    'a length': (xml('', '<size>x</size>'), "c.xml: meta.size: it is 'x'"),
    'no id': (xml('<track label="x"/>'), 'track None: id is None, not a whole number'),
    'no label': (xml('<track id="1"/>'), 'track 1: it has no label'),
    'a frame': (track(box(7, 1)), 'track 1, frame 7: it is none'),
    'twice': (track(2 * box(1, 1)), 'frame 1: .* two shapes'),
    'points': (
        track('<polygon frame="1" points="1,2;3"/>'),
        'track 1, frame 1: points are not',
    ),
    'two points': (
        track('<polygon frame="1" points="1,2;3,4"/>'),
        'a polygon of 2 points',
    ),
    'rle': (
        small_mask('1,2', 0),
        'frame 0: rle does not add up to its box of 2 x 2',
    ),
    'outside': (
        small_mask('0,4', 29),
        r'its box reaches \(31, 2\), the frame has 30 x 20',
    ),
}


@pytest.mark.parametrize('case', FAULTS)
def test_faults_are_named(tmp_path, case):
    text, message = FAULTS[case]
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)
    assert not (tmp_path / 'o.json').exists()

"""labelme folders: there and back, as masks exactly and as polygons with the loss measured."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image, ImageDraw

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

NUMBERS = (5, BIG, -12)


@pytest.mark.parametrize('with_truth', (True, False))
def test_masks_come_back(tmp_path, with_truth):
    content = make_content(scores=False, apart=False, numbers=NUMBERS)
    crowd = dict(id=99, video_id=4, category_id=3, iscrowd=1, track_id=77)
    mask = encode(np.eye(19, 27, dtype=bool))
    content['annotations'].append(dict(crowd, segmentations=[mask, None, None, None, mask]))
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'labelme', truth, truth if with_truth else None)
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))
    assert not any('lost' in line or 'dropped' in line for line in lines)


def test_scores_are_lost(tmp_path):
    content = make_content(numbers=NUMBERS)
    truth, results = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'labelme', results, truth, results=True)
    assert_same_tracks(tracks_by_key(content, back), tracks_by_key(content), scores=False)
    assert 'labelme holds no scores: those of 6 tracks are dropped' in lines


def read_as_labelme(file):
    """Masks of each group, drawn as labelme's `shape_to_mask` and `shapes_to_label` do."""
    content = json.loads(file.read_text())
    size = content['imageHeight'], content['imageWidth']
    found = {}
    for shape in content['shapes']:
        mask = np.zeros(size, bool)
        if shape['shape_type'] == 'mask':
            (x1, y1), (x2, y2) = np.asarray(shape['points']).astype(int)
            with Image.open(io.BytesIO(base64.b64decode(shape['mask']))) as image:
                mask[y1 : y2 + 1, x1 : x2 + 1] = np.asarray(image).astype(bool)
        else:
            assert len(shape['points']) > 2
            image = Image.fromarray(np.zeros(size, np.uint8))
            points = [tuple(point) for point in shape['points']]
            ImageDraw.Draw(image).polygon(xy=points, outline=1, fill=1)
            mask = np.asarray(image).astype(bool)
        found[shape['group_id']] = found.get(shape['group_id'], False) | mask
    return found


@pytest.mark.parametrize('polygons', (False, True))
def test_the_files_as_labelme_reads_them(tmp_path, polygons):
    content = make_content(scores=False, apart=False, numbers=NUMBERS)
    truth, _ = write_files(tmp_path, content)
    lines = convert('vis', 'labelme', truth, tmp_path / 'out', Settings(polygons=polygons))
    ious = []
    for video in content['videos']:
        notes = [n for n in content['annotations'] if n['video_id'] == video['id']]
        for t, name in enumerate(video['file_names']):
            found = read_as_labelme((tmp_path / 'out' / name).with_suffix('.json'))
            expected = {
                n['track_id']: n['segmentations'][t] for n in notes if n['segmentations'][t]
            }
            assert found.keys() == expected.keys()
            for number, code in expected.items():
                mask = decode(code)
                ious.append((mask & found[number]).sum() / (mask | found[number]).sum())
    if not polygons:
        assert set(ious) == {1.0}
        return
    (line,) = [line for line in lines if 'polygons' in line]
    changed, total, lowest = re.match(
        r'(\d+) of (\d+) .* lowest IoU is ([\d.]+), of', line
    ).groups()
    assert (int(changed), int(total)) == (sum(iou < 1 for iou in ious), len(ious))
    assert float(lowest) == pytest.approx(min(ious), abs=1e-4) and min(ious) < 1


def test_polygons_of_parts_without_holes_are_exact(tmp_path):
    content = make_content(scores=False, numbers=NUMBERS)
    random = np.random.default_rng(3)
    for note in content['annotations']:
        video = next(v for v in content['videos'] if v['id'] == note['video_id'])
        for t in range(video['length']):
            mask = np.zeros((video['height'], video['width']), bool)
            top, left, width = random.integers(0, 8, 3)
            mask[top : top + 7, left : left + width + 1] = True
            mask[14, 20] = True  # parts of a pixel and of two
            mask[12, 12:14] = True
            note['segmentations'][t] = encode(mask)
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'labelme', truth, polygons=True)
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))
    assert '0 of 27 masks differ from their polygons' in lines


def test_one_folder_of_frames_is_a_video_and_other_shapes_are_counted(tmp_path):
    shapes = [
        dict(label='fox', points=[[1, 1], [5, 1], [5, 4]], group_id=3, shape_type='polygon'),
        dict(label='fox', points=[[7, 1], [7, 1]], group_id=3, shape_type='line'),
    ]
    size = dict(imageHeight=9, imageWidth=12)
    for t in (10, 2):
        content = dict(shapes=shapes, imagePath=f'{t}.png', **size)
        (tmp_path / 'in').mkdir(exist_ok=True)
        (tmp_path / f'in/{t}.json').write_text(json.dumps(content))
    lines = convert('labelme', 'vis', tmp_path / 'in', tmp_path / 'o.json')
    assert 'only polygons and masks are read; left out: 2 of type line' in lines
    back = json.loads((tmp_path / 'o.json').read_text())
    assert back['videos'][0]['file_names'] == ['in/2.png', 'in/10.png']
    ((key, (masks, _, _)),) = tracks_by_key(back).items()
    assert key == ('in', 'fox', 3)
    alone = tmp_path / 'alone.json'
    alone.write_text(json.dumps(dict(shapes=[dict(shapes[0])], **size)))
    np.testing.assert_array_equal(masks[0], read_as_labelme(alone)[3])
    np.testing.assert_array_equal(masks[1], masks[0])


FAULTS = {
    'no group': (dict(group_id=None), r'0.json: shapes\[0\].group_id: it has none; set .Group ID'),
    'a label': (dict(label=3), r'shapes\[0\].label: expected a str'),
    'points': (dict(points=[[1, 2], [3]]), r'shapes\[0\].points: 2 points of 3 numbers'),
    'two points': (dict(shape_type='polygon', points=[[1, 2], [3, 4]]), '2 points of 4 numbers'),
    'a word': (dict(points=[['x', 1], [2, 3]]), r'points: expected a number'),
    'no png': (dict(mask='%%'), r'shapes\[0\].mask: no PNG in base64'),
    'no mask': (dict(mask=None), r'shapes\[0\].mask: no PNG in base64'),
    'another box': (dict(points=[[0, 0], [1, 1]]), r'mask: its height and width are'),
    'outside': (dict(points=[[90, 0], [99, 9]]), r'mask: its height and width are'),
    'two labels': (dict(label='x', group_id=-12), r"label and iscrowd \['x', 0\] and \['pede"),
}


@pytest.mark.parametrize('case', FAULTS)
def test_faults_are_named(tmp_path, case):
    changes, message = FAULTS[case]
    truth, _ = write_files(tmp_path, make_content(scores=False, numbers=NUMBERS, seed=1))
    convert('vis', 'labelme', truth, tmp_path / 'out')
    file = tmp_path / 'out/b/000000.json'
    content = json.loads(file.read_text())
    content['shapes'][0].update(changes)
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        convert('labelme', 'vis', tmp_path / 'out', tmp_path / 'o.json')
    assert not (tmp_path / 'o.json').exists()


def test_missing_files_and_strange_frames(tmp_path):
    truth, _ = write_files(tmp_path, make_content(scores=False, numbers=NUMBERS))
    with pytest.raises(FileNotFoundError, match='gone: no such folder; labelme has a json'):
        convert('labelme', 'vis', tmp_path / 'gone', tmp_path / 'o.json')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty: no json in it'):
        convert('labelme', 'vis', tmp_path / 'empty', tmp_path / 'o.json')
    convert('vis', 'labelme', truth, tmp_path / 'out')
    (tmp_path / 'out/b/000000.json').rename(tmp_path / 'out/b/77.json')
    with pytest.raises(ValueError, match='b: 77.json: .*truth.json has no such frame'):
        convert('labelme', 'vis', tmp_path / 'out', tmp_path / 'o.json', ground_truth=truth)
    (tmp_path / 'out/b/77.json').write_text('{"shapes": [], "imageHeight": 4, "imageWidth": 4}')
    with pytest.raises(ValueError, match='77.json: frames of the sizes'):
        convert('labelme', 'vis', tmp_path / 'out', tmp_path / 'o.json')


@pytest.mark.parametrize('frame', ('000000', '000002'))
def test_a_track_that_is_a_crowd_in_part_is_refused(tmp_path, frame):
    truth, _ = write_files(tmp_path, make_content(scores=False, numbers=NUMBERS))
    convert('vis', 'labelme', truth, tmp_path / 'out')
    file = tmp_path / f'out/b/{frame}.json'
    content = json.loads(file.read_text())
    content['shapes'][-1]['flags'] = dict(iscrowd=True)
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='is a crowd in one frame and none in another'):
        convert('labelme', 'vis', tmp_path / 'out', tmp_path / 'o.json')

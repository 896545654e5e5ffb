"""SA-V and SA-Co/VEval json: there and back, pycocotools, the documented fields, faults."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools import mask as mask_utils

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


def without_classes(content):
    content['categories'] = [dict(id=1, name='object')]
    for note in content['annotations']:
        note['category_id'] = 1
    return content


def by_fours(content):
    """Let the file names count in steps of four, as those of SA-V's annotated frames."""
    for video in content['videos']:
        folder = video['file_names'][0].split('/')[0]
        video['file_names'] = [f'{folder}/{4 * t:05d}.jpg' for t in range(video['length'])]
    return content


@pytest.mark.parametrize('with_truth', (True, False))
def test_sa_v_comes_back(tmp_path, with_truth):
    content = by_fours(without_classes(make_content(scores=False, apart=False, numbers=NUMBERS)))
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'sa-v', truth, truth if with_truth else None)
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))
    assert sorted(n for v in back['videos'] for n in v['file_names']) == sorted(
        n for v in content['videos'] for n in v['file_names']
    )
    assert not any('dropped' in line or 'lost' in line for line in lines)


@pytest.mark.parametrize(('every', 'step'), ((None, 4), (1, 1), (2, 2)))
def test_frames_between_are_dropped_and_counted(tmp_path, every, step):
    content = make_content(apart=False, numbers=NUMBERS)
    truth, results = write_files(tmp_path, content)
    lines = convert('vis', 'sa-v', results, tmp_path / 'out', Settings(every=every), truth)
    assert 'SA-V holds no classes: those of 6 tracks are lost' in lines
    assert 'SA-V holds no scores: those of 6 tracks are dropped' in lines
    kept = 0
    for video, name in ((content['videos'][0], 'b'), (content['videos'][1], 'a')):
        written = json.loads((tmp_path / f'out/{name}_manual.json').read_text())
        codes = {
            note['track_id']: note['segmentations'][::step]
            for note in content['annotations']
            if note['video_id'] == video['id'] and any(note['segmentations'][::step])
        }
        assert written['masklet_id'] == sorted(codes) and written['masklet_num'] == len(codes)
        assert len(written['masklet']) == len(range(0, video['length'], step))
        for t, frame in enumerate(written['masklet']):
            for number, code in zip(written['masklet_id'], frame):
                expected = codes[number][t]
                kept += expected is not None
                expected = np.zeros_like(decode(code)) if expected is None else decode(expected)
                np.testing.assert_array_equal(mask_utils.decode(code), expected)
    all_masks = sum(code is not None for n in content['annotations'] for code in n['segmentations'])
    dropped = [line for line in lines if 'between the annotated frames' in line]
    assert [int(line.split()[0]) for line in dropped] == [all_masks - kept] * (step > 1)


def test_the_documented_fields_of_sa_v(tmp_path):
    mask, large = np.zeros((40, 50), bool), np.ones((40, 50), bool)
    mask[:4, :5] = True
    half = mask.copy()
    half[2:] = False
    files = [f'v/{t * 4:05d}.jpg' for t in range(6)]
    video = dict(id=1, height=40, width=50, length=6, file_names=files)
    masks = [None, mask, None, None, half, mask]
    notes = [
        dict(
            id=8,
            video_id=1,
            category_id=1,
            segmentations=[m if m is None else encode(m) for m in masks],
        ),
        dict(id=3, video_id=1, category_id=1, segmentations=[encode(large)] * 6),
    ]
    content = dict(videos=[video], categories=[dict(id=1, name='object')], annotations=notes)
    truth, _ = write_files(tmp_path, content)
    convert('vis', 'sa-v', truth, tmp_path / 'out')
    written = json.loads((tmp_path / 'out/v_manual.json').read_text())
    expected = dict(
        video_id='v',
        video_frame_count=21,
        video_duration=21 / 24,
        video_height=40,
        video_width=50,
        video_resolution=2000,
        masklet_id=[3, 8],
        masklet_size_abs=[2000, 50 / 3],
        masklet_size_rel=[1, 50 / 3 / 2000],
        masklet_size_bucket=['medium', 'small'],
        masklet_visibility_changes=[0, 2],
        masklet_first_appeared_frame=[0, 1],
        masklet_frame_count=[6, 6],
        masklet_type=['manual', 'manual'],
        masklet_num=2,
    )
    assert {key: written[key] for key in expected} == expected


SA_V_FAULTS = {
    'no masklet': (
        lambda c: c.pop('masklet'),
        "a_manual.json: missing key 'masklet'; SA-V json has",
    ),
    'an object': (lambda c: c['masklet'][1].pop(), r'masklet\[1\]: 2 masks of 3 objects'),
    'an id': (lambda c: c['masklet_id'].__setitem__(0, 'x'), r'masklet_id\[0\]: expected a whole'),
    'ids': (lambda c: c['masklet_id'].__setitem__(1, 5), 'track 5 has two masks in frame 0'),
    'a size': (lambda c: c.update(video_height=0), 'video_height: expected a whole number from 1'),
    'a mask': (lambda c: c['masklet'][0][0].update(counts='0'), 'malformed run-length counts'),
}


@pytest.mark.parametrize('case', SA_V_FAULTS)
def test_faults_of_sa_v_are_named(tmp_path, case):
    spoil, message = SA_V_FAULTS[case]
    truth, _ = write_files(tmp_path, make_content(scores=False, numbers=NUMBERS))
    convert('vis', 'sa-v', truth, tmp_path / 'out', Settings(every=1))
    file = tmp_path / 'out/a_manual.json'
    content = json.loads(file.read_text())
    spoil(content)
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        convert('sa-v', 'vis', tmp_path / 'out', tmp_path / 'o.json')
    assert not (tmp_path / 'o.json').exists()


def test_a_ground_truth_with_all_frames_is_refused(tmp_path):
    content = without_classes(make_content(scores=False, numbers=NUMBERS))
    truth, _ = write_files(tmp_path, content)
    convert('vis', 'sa-v', truth, tmp_path / 'out')
    with pytest.raises(ValueError, match='1 annotated frames, .* has 4 frames .*every 4th'):
        convert(
            'sa-v', 'vis', tmp_path / 'out/a_manual.json', tmp_path / 'o.json', ground_truth=truth
        )


def test_sa_co_comes_back_with_its_pairs(tmp_path):
    content = make_content(
        names=('a red fox', 'the cow'), scores=False, apart=False, numbers=NUMBERS
    )
    content['info'] = dict(version='v1')
    content['video_np_pairs'] = [
        dict(id=1, video_id=4, category_id=7, noun_phrase='a red fox'),
        dict(id=2, video_id=2, category_id=3, noun_phrase='the cow'),
    ]
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'sa-co', truth)
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))
    written = json.loads((tmp_path / 'out').read_text())
    for found in (written, back):
        assert found['video_np_pairs'] == content['video_np_pairs']
        assert found['info'] == content['info']
    for note, expected in zip(written['annotations'], content['annotations']):
        video = next(v for v in content['videos'] if v['id'] == note['video_id'])
        assert (note['height'], note['width']) == (video['height'], video['width'])
        assert note['noun_phrase'] == {7: 'a red fox', 3: 'the cow'}[note['category_id']]
        areas = [None if code is None else decode(code).sum() for code in expected['segmentations']]
        assert note['areas'] == areas
    assert not any('pairs' in line for line in lines)


def test_pairs_of_other_sources_are_the_positive_ones(tmp_path):
    truth, _ = write_files(tmp_path, make_content(scores=False, numbers=NUMBERS))
    lines = convert('vis', 'sa-co', truth, tmp_path / 'out')
    assert 'video_np_pairs holds the 4 pairs with objects; none without are known' in lines
    written = json.loads((tmp_path / 'out').read_text())
    pairs = {(p['video_id'], p['category_id'], p['noun_phrase']) for p in written['video_np_pairs']}
    assert pairs == {(v, c, n) for v in (4, 2) for c, n in ((7, 'car'), (3, 'pedestrian'))}
    written['annotations'][1]['noun_phrase'] = 'yak'
    (tmp_path / 'out').write_text(json.dumps(written))
    with pytest.raises(
        ValueError, match=r"annotations\[1\]: noun_phrase is 'yak', its category 'car'"
    ):
        convert('sa-co', 'vis', tmp_path / 'out', tmp_path / 'o.json')


def test_results_of_sa_co_have_boxes(tmp_path):
    content = make_content(apart=False, numbers=NUMBERS)
    truth, results = write_files(tmp_path, content)
    back, _ = there_and_back(tmp_path, 'sa-co', results, truth)
    assert_same_tracks(tracks_by_key(content, back), tracks_by_key(content))
    for result in json.loads((tmp_path / 'out').read_text()):
        for code, box in zip(result['segmentations'], result['bboxes']):
            if code is None:
                assert box is None
                continue
            rows, columns = np.nonzero(decode(code))
            left, top = columns.min(), rows.min()
            assert box == [left, top, columns.max() + 1 - left, rows.max() + 1 - top]


@pytest.mark.parametrize(
    ('step', 'every', 'frames', 'masklets'),
    ((1, 1, 8, 8), (1, None, 8, 2), (4, None, 29, 8), (4, 4, 29, 2), (5, 1, 36, 8), (0, 1, 8, 8)),
)
def test_the_length_of_the_video_follows_from_the_names(tmp_path, step, every, frames, masklets):
    files = [f'v/{t * step:05d}.jpg' if step else f'v/{"abcdefgh"[t]}.jpg' for t in range(8)]
    video = dict(id=1, height=4, width=5, length=8, file_names=files)
    note = dict(id=8, video_id=1, category_id=1, segmentations=[encode(np.ones((4, 5), bool))] * 8)
    names = [dict(id=1, name='object')]
    truth, _ = write_files(tmp_path, dict(videos=[video], categories=names, annotations=[note]))
    convert('vis', 'sa-v', truth, tmp_path / 'out', Settings(every=every))
    written = json.loads((tmp_path / 'out/v_manual.json').read_text())
    assert written['video_frame_count'] == frames
    assert written['video_duration'] == frames / 24
    assert len(written['masklet']) == masklets


SA_CO_FAULTS = {
    'an annotation without category': (
        lambda c: c['annotations'][1].pop('category_id'),
        r"annotations\[1\]: missing key 'category_id'",
    ),
    'a pair without category': (
        lambda c: c['video_np_pairs'][1].pop('category_id'),
        r"video_np_pairs\[1\]: missing key 'category_id'",
    ),
    'a list': (
        lambda c: c['video_np_pairs'][0].update(category_id=[1]),
        r'video_np_pairs\[0\].category_id: expected a whole number, found a list of 1',
    ),
    'no categories': (lambda c: c.update(categories=None), 'categories: expected a list'),
    'no pairs': (lambda c: c.update(video_np_pairs=3), 'video_np_pairs: expected a list, found 3'),
    'a category': (lambda c: c['categories'][0].update(id={}), r'categories\[0\].id: expected'),
}


@pytest.mark.parametrize('case', SA_CO_FAULTS)
def test_faults_of_sa_co_are_named(tmp_path, case):
    spoil, message = SA_CO_FAULTS[case]
    truth, _ = write_files(tmp_path, make_content(scores=False, numbers=NUMBERS))
    convert('vis', 'sa-co', truth, tmp_path / 'in.json')
    content = json.loads((tmp_path / 'in.json').read_text())
    spoil(content)
    (tmp_path / 'in.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        convert('sa-co', 'vis', tmp_path / 'in.json', tmp_path / 'o.json')

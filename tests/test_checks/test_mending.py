"""Mended files are sound, keep what was sound, and say what was done."""

from __future__ import annotations

import copy
import json
from functools import partial

import pytest

from rocovis_mm.checks.mending import mend
from rocovis_mm.checks.problems import check, find_image_faults
from rocovis_mm.formats.converters.cocovid import vis_to_cocovid
from tests.test_checks.test_problems import FAULTS, scene
from tests.test_datasets.drawn_scene import LENGTH, vis_json, write_images, write_json

UNMENDABLE = ('video id twice', 'category twice', 'no height', 'no categories')


@pytest.fixture
def look(tmp_path):
    write_images(tmp_path / 'img')
    return partial(find_image_faults, folder=str(tmp_path / 'img'))


@pytest.mark.parametrize('case', [case for case in FAULTS if case not in UNMENDABLE])
def test_each_fault_is_mended(case, look):
    content = scene()
    FAULTS[case][0](content)
    done = mend(content, 'a.json', look)
    assert len(done) == 1
    assert check(content, 'a.json', look)[1] == []
    taken_out = 'taken out' in done[0] and 'annotation 1 of' in done[0]
    assert len(content['annotations']) == 3 - taken_out
    assert len(content['videos']) == 2
    again = copy.deepcopy(content)
    assert mend(again, 'a.json', look) == [] and again == content


@pytest.mark.parametrize('case', UNMENDABLE[:3])
def test_what_cannot_be_mended_stays_and_is_said(case, look):
    content = scene()
    FAULTS[case][0](content)
    FAULTS['length of areas'][0](content)
    assert len(mend(content, 'a.json', look)) == 1
    problems = check(content, 'a.json', look)[1]
    assert FAULTS[case][1] in problems[0]
    assert len(content['annotations']) == 3


def test_ids_stay_in_step():
    content = scene()
    for case in ('annotation id 0', 'video id 0', 'category id 0', 'annotation id twice'):
        FAULTS[case][0](content)
    content['annotations'][2]['id'] = 0
    done = mend(content, 'a.json')
    assert len(done) == 4
    notes = content['annotations']
    assert [note['id'] for note in notes] == [1, 2, 3]
    assert [note['video_id'] for note in notes] == [1, 1, 2]
    assert [note['category_id'] for note in notes] == [10, 9, 9]
    assert [video['id'] for video in content['videos']] == [1, 2]
    assert [category['id'] for category in content['categories']] == [10, 9]


def test_frames_without_a_whole_image_go_with_their_masks(look, tmp_path):
    before = scene()
    (tmp_path / 'img/one/00001.jpg').unlink()
    (tmp_path / 'img/one/00002.jpg').write_bytes(b'\xff\xd8half')
    content = copy.deepcopy(before)
    done = mend(content, 'a.json', look)
    assert done == ['video 1: 2 of 4 frames taken out: no whole image']
    video, note = content['videos'][0], content['annotations'][0]
    assert video['file_names'] == ['one/00000.jpg', 'one/00003.jpg'] and video['length'] == 2
    for key in ('segmentations', 'bboxes', 'areas'):
        old = before['annotations'][0][key]
        assert note[key] == [old[0], old[3]]
    assert note['length'] == 2
    assert content['videos'][1] == before['videos'][1]
    assert content['annotations'][2] == before['annotations'][2]
    assert check(content, 'a.json', look)[1] == []


def test_a_video_without_images_goes(look, tmp_path):
    (tmp_path / 'img/two').rename(tmp_path / 'gone')
    content = scene()
    assert len(mend(content, 'a.json', look)) == 3
    assert [video['id'] for video in content['videos']] == [1]
    assert [note['id'] for note in content['annotations']] == [1, 2]


def test_a_size_that_images_and_masks_agree_on(look):
    content = scene()
    content['videos'][0].update(height=10, width=30)
    done = mend(content, 'a.json', look)
    assert done == ['video 1: height and width (10, 30) are now (20, 32), as its images']
    assert content == scene()
    content['videos'][0].update(height=10)
    content['annotations'][0]['segmentations'][0]['size'] = [10, 32]
    before = copy.deepcopy(content['videos'])
    mend(content, 'a.json', look)
    assert content['videos'] == before  # masks and images do not agree: nothing is guessed


def test_records_that_stand_twice_or_are_none():
    content = scene()
    content['videos'].append(dict(content['videos'][0]))
    content['annotations'] += [dict(content['annotations'][0]), 'x', 5]
    content['categories'].append(dict(content['categories'][0]))
    done = mend(content, 'a.json')
    assert len(done) == 4 and content == scene()


def test_cocovid_is_converted_back(tmp_path):
    source = write_json(tmp_path / 'vis.json', scene())
    vis_to_cocovid(source, tmp_path / 'coco.json')
    content = json.loads((tmp_path / 'coco.json').read_text())
    assert mend(content, 'coco.json') == ['converted from CocoVID to YouTube-VIS json']
    assert check(content, 'coco.json')[1] == []
    for note, old in zip(content['annotations'], scene()['annotations']):
        assert note['segmentations'] == old['segmentations']


@pytest.mark.parametrize('content', [[], dict(images=[{}]), dict(videos=[]), 'x'])
def test_other_files_are_refused(content):
    with pytest.raises(ValueError, match=r'^a\.json: '):
        mend(content, 'a.json')


def test_a_test_set(look):
    content = vis_json([dict(id=1, name='x')], dict(red=1, blue=1, green=1))
    del content['annotations']
    content['videos'][0]['length'] = LENGTH + 1
    assert len(mend(content, 'a.json', look)) == 1 and check(content, 'a.json', look)[1] == []

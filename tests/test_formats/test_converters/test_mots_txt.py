"""MOTS text files: there and back, overlaps, regions to be ignored, faults."""

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
    encode,
    make_content,
    there_and_back,
    tracks_by_key,
    write_files,
)


@pytest.mark.parametrize('with_truth', (True, False))
def test_annotations_come_back(tmp_path, with_truth):
    content = make_content(scores=False, numbers=(1001, BIG, 2001))
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'mots-txt', truth, truth if with_truth else None)
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))
    assert not any('overlaps' in line or 'scores' in line for line in lines)


def test_results_lose_their_scores_and_that_is_said(tmp_path):
    content = make_content()
    truth, results = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'mots-txt', results, truth, results=True)
    assert_same_tracks(tracks_by_key(content, back), tracks_by_key(content), scores=False)
    assert {note['score'] for note in back} == {1.0}
    assert 'MOTS holds no scores: those of 6 tracks are dropped' in lines
    assert '6 tracks have no score and get the score 1' in lines


def test_the_lines_are_those_of_the_format(tmp_path):
    content = make_content()
    truth, results = write_files(tmp_path, content)
    convert('vis', 'mots-txt', results, tmp_path / 'out', ground_truth=truth)
    seen = 0
    for video, expected in ((4, 'b'), (2, 'a')):
        notes = {n['track_id']: n for n in content['annotations'] if n['video_id'] == video}
        for line in (tmp_path / f'out/{expected}.txt').read_text().splitlines():
            frame, identity, label, height, width, counts = line.split(' ')
            mask = mask_utils.decode(dict(size=[int(height), int(width)], counts=counts))
            expected_mask = mask_utils.decode(notes[int(identity)]['segmentations'][int(frame)])
            np.testing.assert_array_equal(mask, expected_mask)
            assert int(label) == int(identity) // 1000
            seen += 1
    assert seen == sum(
        code is not None for n in content['annotations'] for code in n['segmentations']
    )


def test_overlaps_go_to_the_higher_score(tmp_path):
    content = make_content(apart=False)
    truth, results = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'mots-txt', results, truth, results=True)
    whole, lost = tracks_by_key(content), 0
    for (video, _, number), (masks, _, _) in tracks_by_key(content, back).items():
        own = next(v for k, v in whole.items() if (k[0], k[2]) == (video, number))
        higher = [m for (k, _, _), (m, _, s) in whole.items() if k == video and s > own[2]]
        above = np.any(higher, axis=0) if higher else np.zeros_like(masks)
        np.testing.assert_array_equal(masks, own[0] & ~above)
        lost += np.count_nonzero(own[0] & above)
    (line,) = [line for line in lines if line.startswith('overlaps')]
    assert lost and line.startswith(f'overlaps: {lost} pixels in ') and 'higher score' in line


@pytest.mark.parametrize('first', (0, 1, 27))
def test_frames_are_counted_as_in_the_file_names(tmp_path, first):
    content = make_content()
    for video in content['videos']:
        folder = video['file_names'][0].split('/')[0]
        video['file_names'] = [f'{folder}/{t + first:06d}.jpg' for t in range(video['length'])]
    truth, results = write_files(tmp_path, content)
    back, _ = there_and_back(tmp_path, 'mots-txt', results, truth, results=True)
    frames = {int(line.split()[0]) for line in (tmp_path / 'out/b.txt').read_text().splitlines()}
    assert frames == set(range(first, first + 5))
    assert_same_tracks(tracks_by_key(content, back), tracks_by_key(content), scores=False)


@pytest.mark.parametrize('keep', (True, False))
def test_regions_to_be_ignored(tmp_path, keep):
    content = make_content(scores=False)
    mask = np.zeros((19, 27), bool)
    mask[:, :9] = True
    crowd = dict(id=9, video_id=4, category_id=7, iscrowd=1, track_id=5)
    content['annotations'].append(dict(crowd, segmentations=[encode(mask), None, None, None, None]))
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'mots-txt', truth, truth, keep_crowds=keep)
    rows = [line.split() for line in (tmp_path / 'out/b.txt').read_text().splitlines()]
    (region,) = [row for row in rows if row[2] == '10']
    assert region[1] == '10000'
    crowds = {k: v for k, v in tracks_by_key(back).items() if v[1]}
    assert len(crowds) == (2 if keep else 0)
    others = np.any(
        [v[0][0] for k, v in tracks_by_key(back).items() if k[0] == 'b' and not v[1]], 0
    )
    for masks, _, _ in crowds.values():
        np.testing.assert_array_equal(masks[0], mask & ~others)
    assert any('1 masks of regions to be ignored' in line for line in lines)


def test_other_classes(tmp_path):
    content = make_content(names=('tram', 'fox'))
    truth, results = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'mots-txt', results, truth, results=True)
    assert "classes are {3: 'fox', 7: 'tram'}" in lines
    assert_same_tracks(tracks_by_key(content, back), tracks_by_key(content), scores=False)
    classes = tmp_path / 'classes.json'
    classes.write_text(json.dumps({'1': 'fox', '2': 'tram'}))
    settings = dict(results=True, classes=classes, overwrite=True)
    back, _ = there_and_back(tmp_path, 'mots-txt', results, truth, **settings)
    assert {line.split()[2] for line in (tmp_path / 'out/b.txt').open()} == {'1', '2'}
    assert_same_tracks(tracks_by_key(content, back), tracks_by_key(content), scores=False)


FAULTS = {
    'a short line': ('0 1001 1 19 27\n', r'b\.txt: line 1: it has not these six values; MOTS text'),
    'a word': ('0 x 1 19 27 abc\n', r'line 1: it has not these six values'),
    'a class': ('0 3001 3 19 27 fX1\n', r'b.txt: line 1: class 3 is none of .*--classes'),
    'a frame': ('99 1001 1 19 27 fX1\n', r'line 1: frame 99 is not among those .* 0 to 4'),
    'a size': ('0 1001 1 18 27 fX1\n', r'segmentations\[0\].size: \[18, 27\] where the frame'),
    'a frame of a billion': ('9999999999 1 1 19 27 fX1\n', 'line 1: .*from 0 to 999999'),
    'counts': ('0 1001 1 19 27 fX1\n', 'malformed run-length counts'),
    'two masks': (2 * '0 1001 1 19 27 Q`0\n', 'line 2: track 1001 has two masks in frame 0'),
    'two classes': ('0 5 1 19 27 Q`0\n1 5 2 19 27 Q`0\n', 'track 5 is of category 3 here and of 7'),
}


@pytest.mark.parametrize('case', FAULTS)
def test_faults_are_named(tmp_path, case):
    text, message = FAULTS[case]
    truth, _ = write_files(tmp_path, make_content())
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in/b.txt').write_text(text)
    with pytest.raises(ValueError, match=message):
        convert('mots-txt', 'vis', tmp_path / 'in', tmp_path / 'o.json', ground_truth=truth)
    assert not (tmp_path / 'o.json').exists()


def test_what_is_missing_is_named(tmp_path):
    truth, results = write_files(tmp_path, make_content())
    with pytest.raises(ValueError, match='results.json: it does not say .*--ground-truth'):
        convert('vis', 'mots-txt', results, tmp_path / 'out')
    with pytest.raises(FileNotFoundError, match='gone: no such file or folder; MOTS text'):
        convert('mots-txt', 'vis', tmp_path / 'gone', tmp_path / 'o.json')
    (tmp_path / 'in').mkdir()
    with pytest.raises(ValueError, match='no file in it ends in .txt'):
        convert('mots-txt', 'vis', tmp_path / 'in', tmp_path / 'o.json')
    (tmp_path / 'in/c.txt').write_text('')
    with pytest.raises(ValueError, match="no video of .* is called 'c'"):
        convert('mots-txt', 'vis', tmp_path / 'in', tmp_path / 'o.json', ground_truth=truth)
    with pytest.raises(ValueError, match='c: it has no masks, so its size is unknown'):
        convert('mots-txt', 'vis', tmp_path / 'in', tmp_path / 'o.json')
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/b.txt').write_text('mine')
    with pytest.raises(ValueError, match='exists with another content'):
        convert('vis', 'mots-txt', truth, tmp_path / 'out')
    assert (tmp_path / 'out/b.txt').read_text() == 'mine'


def test_a_class_10_needs_a_number_of_its_own(tmp_path):
    content = make_content(names=('fox', 'cow'), scores=False)
    content['categories'][0]['id'] = 10
    for note in content['annotations']:
        note['category_id'] = {7: 10}.get(note['category_id'], note['category_id'])
    truth, _ = write_files(tmp_path, content)
    with pytest.raises(ValueError, match="class 'fox' has the number 10.*--classes"):
        convert('vis', 'mots-txt', truth, tmp_path / 'out', Settings())


def test_regions_to_be_ignored_get_numbers_that_no_track_has(tmp_path):
    content = make_content(scores=False, numbers=(10001, 10000, 7))
    crowd = dict(id=9, video_id=2, category_id=7, iscrowd=1, track_id=5)
    masks = [encode(np.ones((16, 23), bool)), None, None, None]
    truth, _ = write_files(tmp_path, content)
    tracks = tracks_by_key(content)
    content['annotations'].append(dict(crowd, segmentations=masks))
    source, _ = write_files(tmp_path, content)
    back, _ = there_and_back(tmp_path, 'mots-txt', source, truth, keep_crowds=True)
    found = tracks_by_key(back)
    crowds = {key: found.pop(key) for key in list(found) if found[key][1]}
    assert_same_tracks(found, tracks)
    others = np.any([masks[0] for key, (masks, *_) in tracks.items() if key[0] == 'a'], 0)
    assert sorted(key[2] for key in crowds) == [10002, 10003]
    for masks, _, _ in crowds.values():
        np.testing.assert_array_equal(masks[0], ~others)
        assert not masks[1:].any()


@pytest.mark.parametrize('form', ('mots-txt', 'mots-png'))
def test_classes_that_differ_in_capitals_stay_apart(tmp_path, form):
    content = make_content(names=('Car', 'car'), scores=False)
    truth, _ = write_files(tmp_path, content)
    numbers = form == 'mots-txt'
    back, lines = there_and_back(tmp_path, form, truth, truth)
    assert_same_tracks(tracks_by_key(back, number=numbers), tracks_by_key(content, number=numbers))
    assert "classes are {3: 'car', 7: 'Car'}" in lines
    classes = tmp_path / 'classes.json'
    classes.write_text(json.dumps({'1': 'car'}))
    with pytest.raises(ValueError, match=r"classes.json: classes \['Car', 'car'\] differ in cap"):
        convert('vis', form, truth, tmp_path / 'new', Settings(classes=classes))
    classes.write_text(json.dumps({'1': 'CAR'}))
    with pytest.raises(ValueError, match='differ in capitals alone; name the classes'):
        convert(form, 'vis', tmp_path / 'out', tmp_path / 'o', Settings(classes=classes), truth)


def test_capitals_of_one_class_do_not_matter(tmp_path):
    content = make_content(names=('Car', 'Pedestrian'), scores=False)
    truth, _ = write_files(tmp_path, content)
    back, _ = there_and_back(tmp_path, 'mots-txt', truth, truth)
    assert {line.split()[2] for line in (tmp_path / 'out/b.txt').open()} == {'1', '2'}
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))


def test_text_in_another_encoding_is_named(tmp_path):
    (tmp_path / 'a.txt').write_bytes(b'0 1001 1 19 27 \xe9')
    with pytest.raises(ValueError, match=r'a\.txt: byte 15 is no UTF-8 text; MOTS text holds'):
        convert('mots-txt', 'vis', tmp_path, tmp_path / 'o.json')

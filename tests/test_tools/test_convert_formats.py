"""The tool that converts formats: its output, exit status and table of formats."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest

from rocovis_mm import cli
from rocovis_mm.formats.converters.exchange import FORMATS
from tests.conftest import REPOSITORY
from tests.test_formats.test_converters.track_content import (
    assert_same_tracks,
    make_content,
    tracks_by_key,
    write_files,
)
from tools.dataset_converters.convert_formats import main

NUMBERS = (101, 102, 201)
PAIRS = [
    (source, target)
    for (m, source), (n, target) in itertools.permutations(enumerate(FORMATS), 2)
    if (n - m) % len(FORMATS) in (1, 3, 4, 8)
]
"""Each format to four others and from four others."""


def test_the_command_and_the_docs_know_all_formats():
    assert tuple(FORMATS) == cli.FORMATS
    table = (REPOSITORY / 'docs/formats.md').read_text('utf-8').partition('## Options')[0]
    assert re.findall(r'^\| `([\w-]+)` \|', table, re.MULTILINE) == [
        *('vis', 'coco', 'cocovid', 'mots-txt', 'mots-png', 'davis-png', 'cvat-coco'),
        *('cvat-video', 'labelme', 'sa-v', 'sa-co'),
    ]
    assert {*re.findall(r'^\| `([\w-]+)` \|', table, re.MULTILINE)} == {*FORMATS}


@pytest.fixture(scope='module')
def in_all_formats(tmp_path_factory):
    """The tracks in each format, with classes and numbers that all can hold."""
    folder = tmp_path_factory.mktemp('formats')
    content = make_content(names=('object', 'pedestrian'), scores=False, numbers=NUMBERS)
    for note in content['annotations']:
        note['category_id'] = 7
    truth, _ = write_files(folder, content)
    for form in FORMATS:
        arguments = ['vis', form, truth, folder / form, '--every', 1]
        assert main(list(map(str, arguments))) == 0
    return content, truth, folder


@pytest.mark.parametrize(('source', 'target'), PAIRS)
def test_any_format_to_any_other(in_all_formats, tmp_path, source, target):
    content, truth, folder = in_all_formats
    known = ['--ground-truth', truth, '--every', 1]
    for step in ([source, target, folder / source, tmp_path / 'out'],
                 [target, 'vis', tmp_path / 'out', tmp_path / 'back.json']):  # fmt: skip
        assert main(list(map(str, [*step, *known]))) == 0
    back = json.loads((tmp_path / 'back.json').read_text())
    number = 'mots-png' not in (source, target)  # which numbers them by class
    found, expected = (tracks_by_key(each, number=number) for each in (back, content))
    assert_same_tracks(found, expected)


def test_the_output_names_what_is_lost(tmp_path, capsys):
    truth, results = write_files(tmp_path, make_content(apart=False))
    arguments = ['vis', 'davis-png', results, tmp_path / 'out', '--ground-truth', truth]
    assert main([*map(str, arguments), '--score-thr', '0.5']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == '2 tracks with a score below 0.5 are dropped'
    assert re.match(r'overlaps: \d+ pixels in \d+ frames are given to the track of the h', lines[2])
    assert lines[1] == 'DAVIS holds no scores: those of 4 tracks are dropped'
    assert lines[3] == '4 tracks get other numbers, as DAVIS masks do not hold theirs'
    assert lines[4] == f'2 videos, 9 masks -> {tmp_path / "out"}'
    assert 'classes.json' in lines[5] and len(lines) == 6


def test_empty_results_are_said(tmp_path, capsys):
    truth, results = write_files(tmp_path, make_content())
    arguments = ['vis', 'mots-txt', results, tmp_path / 'out', '--ground-truth', truth]
    assert main([*map(str, arguments), '--score-thr', '2']) == 0
    assert '2 of 2 videos have no tracks' in capsys.readouterr().out
    assert (tmp_path / 'out/a.txt').read_text() == ''


def test_results_and_annotations_on_request(tmp_path, capsys):
    truth, results = write_files(tmp_path, make_content())
    plain = ['vis', 'vis', str(truth), str(tmp_path / 'r.json'), '--results']
    assert main(plain) == 0
    written = json.loads((tmp_path / 'r.json').read_text())
    assert {record['score'] for record in written} == {1.0}
    scored = ['vis', 'vis', str(results), str(tmp_path / 'a.json'), '--annotations']
    assert main([*scored, '--ground-truth', str(truth)]) == 0
    assert 'annotations' in json.loads((tmp_path / 'a.json').read_text())
    assert 'an annotation file holds no scores' in capsys.readouterr().out


def test_an_error_is_one_line_and_status_2(tmp_path, capsys):
    truth, results = write_files(tmp_path, make_content())
    for arguments, message in (
        (['mots-txt', 'vis', 'gone', 'o.json'], 'error: gone: no such file or folder'),
        (['vis', 'coco', results, 'o.json'], 'it does not say which videos it belongs to'),
        (['vis', 'coco', 'gone.json', 'o.json'], 'gone.json'),
        (['vis', 'coco', results, 'o.json', '--ground-truth', 'none.json'], 'none.json: no such'),
        (['vis', 'coco', truth, 'o.json', '--score-thr', 'nan'], 'threshold: expected a finite'),
        (['vis', 'coco', truth, results], 'exists with another content; --overwrite'),
    ):
        assert main(list(map(str, arguments))) == 2
        said = capsys.readouterr().err.splitlines()
        assert said[-1].startswith('error: ') and message in said[-1]


@pytest.mark.parametrize(
    ('change', 'message'),
    (
        (dict(score=float('nan')), r'\[1\].score: expected a finite number'),
        (dict(score=None), r'\[1\].score: expected a number'),
        (dict(track_id=1001), 'two tracks with the number 1001'),
        (dict(track_id='x'), 'track_id: expected a whole number'),
        (dict(video_id=99), 'there is no such video'),
        (dict(category_id=99), 'unknown category 99'),
        (dict(segmentations=[]), '0 entries for a video of 5 frames'),
    ),
)
def test_faults_of_results_are_named(tmp_path, capsys, change, message):
    truth, results = write_files(tmp_path, make_content())
    content = json.loads(results.read_text())
    content[1].update(change)
    results.write_text(json.dumps(content))
    arguments = ['vis', 'coco', results, tmp_path / 'o', '--ground-truth', truth]
    assert main(list(map(str, arguments))) == 2
    assert re.search(message, capsys.readouterr().err)


def test_results_in_other_hands_keep_what_they_have(tmp_path):
    """Polygons, plain run lengths, empty masks and tracks without numbers."""
    content = make_content()
    truth, results = write_files(tmp_path, content)
    tracks = json.loads(results.read_text())
    for track in tracks:
        del track['track_id']
    tracks[0]['segmentations'] = [
        dict(size=[19, 27], counts=[513]), [[2, 3, 9, 3, 9, 8, 2, 8]], {}, None,
        dict(size=[19, 27], counts=[19, 5, 489]),
    ]  # fmt: skip
    results.write_text(json.dumps(tracks))
    arguments = ['vis', 'vis', results, tmp_path / 'o', '--ground-truth', truth]
    assert main(list(map(str, arguments))) == 0
    (masks, _, score), *_ = tracks_by_key(
        content, json.loads((tmp_path / 'o').read_text()), False
    ).values()
    box, line = np.zeros((2, 19, 27), bool)
    box[3:8, 2:9] = line[:5, 1] = True
    np.testing.assert_array_equal(masks, np.stack([0 * box, box, 0 * box, 0 * box, line]))
    assert score == 0.9


@pytest.mark.parametrize('form', ('davis-png', 'labelme', 'mots-txt'))
def test_nothing_is_written_outside_the_folder(tmp_path, form):
    content = make_content(scores=False, numbers=NUMBERS)
    for video in content['videos']:
        names = ['../0.jpg', '../1/0.jpg', *(f'../{t}.jpg' for t in range(2, video['length']))]
        video['file_names'] = names
    truth, _ = write_files(tmp_path, content)
    assert main(['vis', form, str(truth), str(tmp_path / 'in/out')]) == 0
    files = [path for path in tmp_path.rglob('*') if path.is_file() and path != truth]
    assert files and all((tmp_path / 'in/out') in path.parents for path in files)
    known = ['--ground-truth', str(truth), '--overwrite']
    assert main([form, 'vis', str(tmp_path / 'in/out'), str(tmp_path / 'b.json'), *known]) == 0
    back = json.loads((tmp_path / 'b.json').read_text())
    found, expected = (
        {(note['video_id'], json.dumps(note['segmentations'])) for note in each['annotations']}
        for each in (back, content)
    )
    assert found == expected


@pytest.mark.parametrize('form', FORMATS)
def test_tracks_without_any_mask_are_kept_or_counted(tmp_path, capsys, form):
    content = make_content(names=('object', 'pedestrian'), numbers=NUMBERS)
    for note in content['annotations']:
        note['category_id'] = 7
    content['annotations'][1]['segmentations'] = [None] * 5
    truth, results = write_files(tmp_path, content)
    known = ['--ground-truth', str(truth), '--every', '1']
    assert main(['vis', form, str(results), str(tmp_path / 'out'), *known]) == 0
    kept = form in ('vis', 'cocovid', 'sa-co')
    line = f'{form} holds no tracks without any mask: 1 are dropped'
    assert (line in capsys.readouterr().out) != kept
    back = ['--ground-truth', str(truth), '--annotations']
    assert main([form, 'vis', str(tmp_path / 'out'), str(tmp_path / 'b.json'), *back]) == 0
    found = json.loads((tmp_path / 'b.json').read_text())
    assert len(found['annotations']) == (6 if kept else 5)


@pytest.mark.parametrize('form', FORMATS)
def test_whole_numbers_with_a_point_are_read_again(tmp_path, form):
    """Many writers of json write 2.0 for 2."""
    content = make_content(names=('object', 'pedestrian'), scores=False, numbers=NUMBERS)
    for note in content['annotations']:
        note['category_id'] = 7
    expected = tracks_by_key(content, number=form != 'mots-png')
    for records in content.values():
        for record in records:
            for name in {'id', 'video_id', 'category_id', 'track_id', 'height', 'length'} & {
                *record
            }:
                record[name] = float(record[name])
    truth, _ = write_files(tmp_path, content)
    assert main(['vis', form, str(truth), str(tmp_path / 'out'), '--every', '1']) == 0
    known = ['--ground-truth', str(truth)]
    assert main([form, 'vis', str(tmp_path / 'out'), str(tmp_path / 'back.json'), *known]) == 0
    back = json.loads((tmp_path / 'back.json').read_text())
    assert_same_tracks(tracks_by_key(back, number=form != 'mots-png'), expected)


@pytest.mark.parametrize('form', FORMATS)
def test_further_data_is_kept_or_named(tmp_path, capsys, form):
    content = make_content(names=('object', 'pedestrian'), scores=False, numbers=NUMBERS)
    content['info'] = dict(year=2026)
    content['videos'][0]['tags'] = ['hidden']
    content['categories'][0]['supercategory'] = 'thing'
    for note in content['annotations'][:4]:
        note.update(category_id=7, occlusion=['slight'])
    content['annotations'][0]['segmentations_refined'] = content['annotations'][0]['segmentations']
    truth, _ = write_files(tmp_path, content)
    classes = tmp_path / 'classes.json'
    classes.write_text(json.dumps({'1': 'object', '2': 'pedestrian'}))
    told = ['--classes', str(classes)] if form.startswith('mots') else []
    assert main(['vis', form, str(truth), str(tmp_path / 'out'), '--every', '1', *told]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if 'further data' in x] or ['']
    words = {
        'info of the file': form == 'coco',
        'tags of 1 videos': False,
        'supercategory of 1 categories': form in ('coco', 'cvat-coco'),
        'occlusion of 4 tracks': False,
        'segmentations_refined of 1 tracks': False,
    }
    whole = form in ('vis', 'cocovid', 'sa-co')
    assert {word: word not in line for word in words} == {w: whole or k for w, k in words.items()}
    if whole:
        assert main([form, 'vis', str(tmp_path / 'out'), str(tmp_path / 'back.json')]) == 0
        back = json.loads((tmp_path / 'back.json').read_text())
        assert back['info'] == content['info'] and back['videos'][0]['tags'] == ['hidden']
        assert [n.get('occlusion') for n in back['annotations']] == 4 * [['slight']] + 2 * [None]


def test_track_ids_that_are_dropped_are_counted(tmp_path, capsys):
    truth, results = write_files(tmp_path, make_content())
    tracks = json.loads(results.read_text())
    del tracks[0]['track_id'], tracks[3]['track_id']
    results.write_text(json.dumps(tracks))
    arguments = ['vis', 'coco', str(results), str(tmp_path / 'o'), '--ground-truth', str(truth)]
    assert main(arguments) == 0
    assert '2 of 6 results have no track_id, so the numbers of' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('change', 'message'),
    (
        (dict(id=[1, 2, 3]), r'cocovid.id: 3 entries for 5 frames'),
        (dict(id=[1, 2, 3, 3, 4]), r'videos\[0\].cocovid.id: it has 3 twice'),
        (dict(id=[1, 2, 3, None, 4]), r'videos\[0\].cocovid.id: expected a whole number'),
        (dict(frame_id=[0, 1, 2, 3, 'x']), r'cocovid.frame_id: expected a whole number'),
        ([], r'videos\[0\].cocovid: expected a dict'),
    ),
)
def test_faults_of_further_data_of_cocovid_are_named(tmp_path, capsys, change, message):
    content = make_content(scores=False)
    content['videos'][0]['cocovid'] = change
    truth, _ = write_files(tmp_path, content)
    assert main(['vis', 'cocovid', str(truth), str(tmp_path / 'o.json')]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_the_number_of_a_cocovid_instance_is_written_whole(tmp_path):
    content = make_content(scores=False, numbers=(5, 6, 7))
    for note in content['annotations']:
        note['cocovid'] = dict(instance_id=float(note.pop('track_id')))
    truth, _ = write_files(tmp_path, content)
    assert main(['vis', 'mots-txt', str(truth), str(tmp_path / 'out')]) == 0
    numbers = {line.split()[1] for line in (tmp_path / 'out/a.txt').read_text().splitlines()}
    assert numbers == {'5', '6', '7'}

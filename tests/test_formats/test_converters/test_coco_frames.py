"""COCO with an entry per frame, CocoVID, CVAT's COCO: there and back, pycocotools, faults."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from rocovis_mm.formats.converters.cocovid import cocovid_to_vis
from rocovis_mm.formats.converters.cvat import cvat_to_vis
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

FORMS = ('coco', 'cocovid', 'cvat-coco')
NUMBERS = (5, BIG, 12)


def with_crowd(content):
    crowd = dict(id=99, video_id=4, category_id=3, iscrowd=1, track_id=77)
    masks = [encode(np.eye(19, 27, dtype=bool)), None, None, None, None]
    content['annotations'].append(dict(crowd, segmentations=masks))
    return content


@pytest.mark.parametrize('form', FORMS)
def test_annotations_come_back(tmp_path, form):
    content = with_crowd(make_content(scores=False, apart=False, numbers=NUMBERS))
    truth, _ = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, form, truth)
    if form == 'cvat-coco':
        assert "CVAT's COCO holds no crowds: 1 are dropped" in lines
        assert '2 videos are in one file; CVAT has a task per video' in lines
        content['annotations'].pop()
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))
    files = sorted(name for video in back['videos'] for name in video['file_names'])
    assert files == sorted(n for video in content['videos'] for n in video['file_names'])
    assert back['categories'] == content['categories']


def test_results_come_back(tmp_path):
    content = make_content(apart=False, numbers=NUMBERS)
    truth, results = write_files(tmp_path, content)
    back, lines = there_and_back(tmp_path, 'coco', results, truth)
    found, expected = tracks_by_key(content, back), tracks_by_key(content)
    assert_same_tracks(found, expected, scores=False)
    for key, (_, _, score) in expected.items():
        assert found[key][2] == pytest.approx(score, abs=1e-12)
    assert not any('dropped' in line for line in lines)


def test_pycocotools_reads_the_files(tmp_path):
    content = make_content(apart=False, numbers=NUMBERS)
    truth, results = write_files(tmp_path, content)
    convert('vis', 'coco', truth, tmp_path / 'coco.json')
    convert('vis', 'coco', results, tmp_path / 'found.json', ground_truth=truth)
    coco = COCO(str(tmp_path / 'coco.json'))
    for api in (coco, coco.loadRes(str(tmp_path / 'found.json'))):
        seen = 0
        for video in content['videos']:
            for t, name in enumerate(video['file_names']):
                (image,) = [i for i in api.imgs.values() if i['file_name'] == name]
                notes = {n['track_id']: n for n in api.loadAnns(api.getAnnIds([image['id']]))}
                for track in content['annotations']:
                    code = track['segmentations'][t] if track['video_id'] == video['id'] else None
                    if code is not None:
                        note = notes.pop(track['track_id'])
                        np.testing.assert_array_equal(api.annToMask(note), decode(code))
                        assert note['category_id'] == track['category_id']
                        assert note.get('score', track['score']) == track['score']
                        seen += 1
                assert not notes
        assert seen == len(api.anns)


def test_results_by_the_numbers_of_a_coco_file(tmp_path):
    """The images of a COCO ground truth keep the ids that they have there."""
    content = make_content(numbers=NUMBERS)
    truth, results = write_files(tmp_path, content)
    convert('vis', 'coco', truth, tmp_path / 'coco.json')
    coco, offset = json.loads((tmp_path / 'coco.json').read_text()), 500
    for image in coco['images']:
        image['id'] += offset
    for note in coco['annotations']:
        note['image_id'] += offset
    (tmp_path / 'coco.json').write_text(json.dumps(coco))
    convert('vis', 'coco', results, tmp_path / 'f.json', ground_truth=tmp_path / 'coco.json')
    found = json.loads((tmp_path / 'f.json').read_text())
    assert {note['image_id'] for note in found} <= {image['id'] for image in coco['images']}
    convert(
        'coco', 'vis', tmp_path / 'f.json', tmp_path / 'b.json', ground_truth=tmp_path / 'coco.json'
    )
    back = json.loads((tmp_path / 'b.json').read_text())
    assert_same_tracks(tracks_by_key(content, back), tracks_by_key(content), scores=False)


def test_a_track_of_several_scores_and_classes(tmp_path):
    content = make_content(numbers=NUMBERS)
    truth, results = write_files(tmp_path, content)
    convert('vis', 'coco', results, tmp_path / 'f.json', ground_truth=truth)
    found = json.loads((tmp_path / 'f.json').read_text())
    mine = [note for note in found if note['track_id'] == 12 and note['image_id'] <= 5]
    for note, score, category in zip(mine, (0.5, 0.75, 0.25, 0.25, 0.125), (7, 3, 7, 7, 3)):
        note.update(score=score, category_id=category)
    (tmp_path / 'f.json').write_text(json.dumps(found))
    lines = convert('coco', 'vis', tmp_path / 'f.json', tmp_path / 'b.json', ground_truth=truth)
    assert '1 tracks have a score per frame and get the mean' in lines
    assert any(
        line.startswith('1 tracks have several classes and get the class with') for line in lines
    )
    (track,) = [
        note
        for note in json.loads((tmp_path / 'b.json').read_text())
        if note['track_id'] == 12 and note['video_id'] == 4
    ]
    assert track['category_id'] == 7
    assert track['score'] == sum(note['score'] for note in mine) / len(mine)


@pytest.mark.parametrize('form', ('cocovid', 'cvat-coco'))
def test_the_tools_of_the_format_read_the_file(tmp_path, form):
    content = make_content(scores=False, numbers=NUMBERS)
    truth, _ = write_files(tmp_path, content)
    convert('vis', form, truth, tmp_path / 'f.json')
    tool = cocovid_to_vis if form == 'cocovid' else cvat_to_vis
    tool(tmp_path / 'f.json', tmp_path / 'b.json')
    back = json.loads((tmp_path / 'b.json').read_text())
    assert_same_tracks(tracks_by_key(back), tracks_by_key(content))


FAULTS = {
    'no track': (
        lambda r: r.pop('track_id'),
        r"f.json: \[3\]: missing key 'track_id'; each result",
    ),
    'no score': (lambda r: r.pop('score'), r"\[3\]: missing key 'score'"),
    'an image': (lambda r: r.update(image_id=77), r'\[3\].image_id: .* images 1 to 9'),
    'a text': (lambda r: r.update(track_id='x'), r'\[3\].track_id: expected a whole number'),
    'a mask': (lambda r: r.update(segmentation=dict(size=[19, 27], counts='0')), 'malformed'),
}


@pytest.mark.parametrize('case', FAULTS)
def test_faults_of_results_are_named(tmp_path, case):
    spoil, message = FAULTS[case]
    truth, results = write_files(tmp_path, make_content(numbers=NUMBERS))
    convert('vis', 'coco', results, tmp_path / 'f.json', ground_truth=truth)
    found = json.loads((tmp_path / 'f.json').read_text())
    spoil(found[3])
    (tmp_path / 'f.json').write_text(json.dumps(found))
    with pytest.raises(ValueError, match=message):
        convert('coco', 'vis', tmp_path / 'f.json', tmp_path / 'b.json', ground_truth=truth)
    assert not (tmp_path / 'b.json').exists()


def test_annotations_without_tracks_are_refused(tmp_path):
    truth, _ = write_files(tmp_path, make_content(scores=False))
    convert('vis', 'coco', truth, tmp_path / 'f.json')
    content = json.loads((tmp_path / 'f.json').read_text())
    del content['annotations'][2]['track_id']
    (tmp_path / 'f.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r'annotations\[2\]: it has no .*track_id'):
        convert('coco', 'vis', tmp_path / 'f.json', tmp_path / 'b.json', Settings())


def test_crowds_of_the_brush_are_pointed_out(tmp_path):
    content = with_crowd(make_content(scores=False, numbers=NUMBERS))
    truth, _ = write_files(tmp_path, content)
    convert('vis', 'coco', truth, tmp_path / 'f.json')
    lines = convert('coco', 'vis', tmp_path / 'f.json', tmp_path / 'b.json')
    (line,) = [line for line in lines if 'cvat-coco' in line]
    assert line.startswith('1 masks in run lengths are crowds')
    assert (
        sum(n['iscrowd'] for n in json.loads((tmp_path / 'b.json').read_text())['annotations']) == 1
    )
    lines = convert('cvat-coco', 'vis', tmp_path / 'f.json', tmp_path / 'c.json')
    assert '1 crowds are instances, as CVAT marks masks of the brush so' in lines
    kept = Settings(keep_crowds=True)
    lines = convert('cvat-coco', 'vis', tmp_path / 'f.json', tmp_path / 'd.json', kept)
    assert not any('of the brush so' in line for line in lines)


def test_whose_the_image_ids_are_is_said(tmp_path):
    truth, results = write_files(tmp_path, make_content(numbers=NUMBERS))
    convert('vis', 'coco', truth, tmp_path / 'coco.json')
    for known, words in ((truth, 'count the frames of all videos'), ('coco.json', 'are those of')):
        file = tmp_path / f'{words[:5]}.json'
        lines = convert('vis', 'coco', results, file, ground_truth=tmp_path / known)
        assert any(f'image ids {words}' in line for line in lines)


def test_videos_in_one_folder_are_no_tasks_of_cvat(tmp_path):
    content = make_content(scores=False, numbers=NUMBERS)
    for video in content['videos']:
        video['file_names'] = [f'x/{video["id"]}_{t}.jpg' for t in range(video['length'])]
    truth, _ = write_files(tmp_path, content)
    with pytest.raises(ValueError, match='not in a folder of each'):
        convert('vis', 'cvat-coco', truth, tmp_path / 'f.json')


DAMAGED = {
    'an image id': (lambda c: c['images'][1].update(id=[1]), r'images\[1\].id: expected a whole'),
    'a name': (lambda c: c['images'][1].update(file_name=3), r'images\[1\].file_name: expected a'),
    'a size': (
        lambda c: c['images'][1].update(height='x'),
        r'images\[1\].height: expected a whole',
    ),
    'a frame': (lambda c: c['images'][1].update(frame_id='x'), r'images\[1\].frame_id: expected'),
    'a crowd': (lambda c: c['annotations'][1].update(iscrowd=[]), r'annotations\[1\].iscrowd'),
    'a class': (lambda c: c['annotations'][1].update(category_id={}), r'\[1\].category_id'),
    'no record': (lambda c: c['annotations'].append(3), r'annotations\[\d+\]: expected a dict'),
}


@pytest.mark.parametrize('form', ('coco', 'cocovid', 'cvat-coco'))
@pytest.mark.parametrize('case', DAMAGED)
def test_types_of_coco_files_are_checked(tmp_path, form, case):
    spoil, message = DAMAGED[case]
    truth, _ = write_files(tmp_path, make_content(scores=False, numbers=NUMBERS))
    convert('vis', 'cocovid' if form == 'cocovid' else 'coco', truth, tmp_path / 'f.json')
    content = json.loads((tmp_path / 'f.json').read_text())
    spoil(content)
    (tmp_path / 'f.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        convert(form, 'vis', tmp_path / 'f.json', tmp_path / 'b.json')

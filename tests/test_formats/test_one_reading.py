"""Training, the check and scoring accept the same files, and refuse the same."""

from __future__ import annotations

import codecs
import copy
import json
import zipfile

import numpy as np
import pytest

from rocovis_mm.checks.problems import find_problems
from rocovis_mm.evaluation.functional.tracks import load_ground_truth
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.vis_annotations import read_vis_annotations
from tests.test_datasets.vis_content import CONTENT, LENGTH, box_mask

SQUARE = [3, 2, 9, 2, 9, 6, 3, 6]


def set_note(**changes):
    return lambda content: content['annotations'][0].update(changes)


def set_mask(mask):
    return set_note(segmentations=[mask] * LENGTH)


ACCEPTED = {
    'iscrowd null': set_note(iscrowd=None),
    'iscrowd true': set_note(iscrowd=True),
    'iscrowd 1.0': set_note(iscrowd=1.0),
    'null areas': set_note(areas=[3, None, None, 2.5]),
    'a two-point piece': set_mask([[1, 1, 5, 5], SQUARE, [], [2, 2]]),
    'a contour in the corner': set_mask([[0, 0, 0, 1, 1, 1, 1, 0]]),
    'whole ids as floats': set_note(id=11.0),
}
REFUSED = {
    'iscrowd 2': set_note(iscrowd=2),
    'iscrowd text': set_note(iscrowd='1'),
    'NaN areas': set_note(areas=[3, None, float('nan'), 2]),
    'areas of another length': set_note(areas=[3]),
    'boxes of another length': set_note(bboxes=[None]),
    'shares': set_mask([[0.1, 0.1, 0.4, 0.1, 0.4, 0.5]]),
    'shares up to the edge': set_mask([[0, 0, 1, 0, 1, 0.5], [0, 0.25, 1, 1, 0, 1]]),
    'only two-point pieces': set_mask([[1, 1, 5, 5], [2, 2]]),
    'length of a video': lambda content: content['videos'][0].update(length=3),
    'a name that is a number': lambda content: content['categories'][0].update(name=3),
    'no annotation': lambda content: content['annotations'].clear(),
    'ids as text': set_note(id='11'),
    'the id of another annotation': set_note(id=12),
    'an unknown category': set_note(category_id=99),
    'an unknown video': set_note(video_id=99),
    'no masks': lambda content: content['annotations'][0].pop('segmentations'),
    'a mask of another size': set_mask({'size': [3, 3], 'counts': [9]}),
    'a video without a height': lambda content: content['videos'][0].pop('height'),
    'the id of another video': lambda content: content['videos'][1].update(id=7),
    'the name of another category': lambda content: content['categories'][1].update(name='cat'),
    'a category without an id': lambda content: content['categories'][0].pop('id'),
    'images of CocoVID': lambda content: content.update(images=[]),
    'videos in no list': lambda content: content.update(videos={}),
}


def readers(tmp_path, content):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(content))
    return (
        lambda: read_vis_annotations(path),
        lambda: load_ground_truth(path),
        lambda: [] == find_problems(read_json(path), str(path))[1] or raise_first(path),
    )


def raise_first(path):
    raise ValueError(find_problems(read_json(path), str(path))[1][0])


@pytest.mark.parametrize('case', ACCEPTED)
def test_all_accept(case, tmp_path):
    content = copy.deepcopy(CONTENT)
    ACCEPTED[case](content)
    assert all(read() is not None for read in readers(tmp_path, content))


@pytest.mark.parametrize('case', REFUSED)
def test_all_refuse(case, tmp_path):
    content = copy.deepcopy(CONTENT)
    REFUSED[case](content)
    messages = set()
    for read in readers(tmp_path, content):
        with pytest.raises(ValueError, match=r'a\.json: .*; ') as caught:
            read()
        messages.add(str(caught.value).splitlines()[0])
    assert len(messages) == 1 or case == 'no annotation'  # whose remedy depends on the purpose


def test_pieces_without_area_change_nothing(tmp_path):
    content = copy.deepcopy(CONTENT)
    ACCEPTED['a two-point piece'](content)
    train, score, _ = readers(tmp_path, content)
    for track in (train().videos[0].tracks[0], score().tracks[0]):
        assert track.tube.areas.tolist() == [box_mask(2, 3, 6, 9).sum()] * LENGTH


def test_shares_are_named_with_the_remedy(tmp_path):
    content = copy.deepcopy(CONTENT)
    REFUSED['shares'](content)
    with pytest.raises(ValueError, match=r'shares of the frame.*x times 20, y times 12'):
        readers(tmp_path, content)[0]()


def percent(scale):
    rng = np.random.default_rng(0)
    content = copy.deepcopy(CONTENT)
    for video in content['videos']:
        video.update(height=400, width=600)
    for note in content['annotations']:
        points = rng.uniform(0, scale, (LENGTH, 8)).round(2).tolist()
        note['segmentations'] = [[each] for each in points]
    return find_problems(content, 'a.json')[1]


def test_percent_are_suspected_where_they_are_plain():
    found = percent(99)
    assert len(found) == 1 and 'all 12 polygons are between 0 and 100' in found[0]
    assert percent(300) == percent(40) == []


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16', 'utf-8'])
def test_byte_order_marks(tmp_path, encoding):
    data = json.dumps({'é': 1}, ensure_ascii=False).encode(encoding)
    assert (data[:3] == codecs.BOM_UTF8) == (encoding == 'utf-8-sig')
    path = tmp_path / 'a.json'
    path.write_bytes(data)
    assert read_json(path) == {'é': 1}
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        archive.writestr('a.json', data)
        archive.writestr('__MACOSX/._a.json', b'\0\5\26\7')
    assert read_json(tmp_path / 'a.zip') == {'é': 1}

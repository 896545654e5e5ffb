"""`supervision.Detections`: there and back, masks by supervision itself, faults."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from rocovis_mm.formats.converters.exchange import read_tracks, read_truth
from rocovis_mm.formats.converters.supervision_detections import from_detections, to_detections
from rocovis_mm.formats.converters.vis_content import Settings
from tests.test_formats.test_converters.track_content import (
    BIG,
    assert_same_tracks,
    decode,
    make_content,
    tracks_by_key,
    write_files,
)

NUMBERS = (5, BIG, 12)


@pytest.fixture
def supervision():
    return pytest.importorskip('supervision', reason='supervision is optional')


def content_of(folder, scores=True):
    content = make_content(apart=False, numbers=NUMBERS, scores=scores)
    truth, results = write_files(folder, content)
    settings = read_truth(truth, Settings())
    return read_tracks('vis', results if scores else truth, settings, [])


@pytest.mark.parametrize('scores', (True, False))
def test_there_and_back(tmp_path, supervision, scores):
    content, lines = content_of(tmp_path, scores), []
    frames = {video['id']: to_detections(content, video['id']) for video in content['videos']}
    back = from_detections(frames, content, lines)
    found, expected = tracks_by_key(back), tracks_by_key(content)
    assert_same_tracks(found, expected, scores=False)
    for key, (_, _, score) in expected.items():
        assert found[key][2] == (pytest.approx(score, abs=1e-12) if scores else None)
    assert not lines


@pytest.mark.parametrize('compact', (True, False))
def test_what_supervision_sees(tmp_path, supervision, monkeypatch, compact):
    if not compact:
        monkeypatch.delattr(supervision, 'CompactMask', raising=False)
    content = content_of(tmp_path)
    for video in content['videos']:
        notes = {n['track_id']: n for n in content['annotations'] if n['video_id'] == video['id']}
        for t, found in enumerate(to_detections(content, video['id'])):
            masks = np.asarray(found.mask)
            assert isinstance(found.mask, np.ndarray) != compact
            present = [n for n in notes.values() if n['segmentations'][t]]
            assert len(found) == len(present)
            np.testing.assert_array_equal(found.xyxy, supervision.mask_to_xyxy(masks))
            for mask, number, score, label, name in zip(
                masks, found.tracker_id, found.confidence, found.class_id, found.data['class_name']
            ):
                np.testing.assert_array_equal(mask, decode(notes[number]['segmentations'][t]))
                assert (score, label) == (notes[number]['score'], notes[number]['category_id'])
                assert name == {7: 'car', 3: 'pedestrian'}[label]


def test_untracked_detections_and_mixed_classes(tmp_path, supervision):
    content, lines = content_of(tmp_path), []
    frames = {4: to_detections(content, 4)}
    for t, found in enumerate(frames[4]):
        found.tracker_id[found.tracker_id == 12] = -1
        found.confidence[found.tracker_id == 5] = (0.25, 0.5, 0.25, 0.125, 0.125)[t]
        found.class_id[found.tracker_id == 5] = (7, 3, 7, 7, 7)[t]
    back = from_detections(frames, content, lines)
    seen = sum(code is not None for code in content['annotations'][2]['segmentations'])
    assert f'{seen} detections with the tracker_id -1 are dropped' in lines
    assert '1 tracks have a score per frame and get the mean' in lines
    assert any(
        line.startswith('1 tracks have several classes and get the class with') for line in lines
    )
    assert sorted(note.get('track_id', note['id']) for note in back['annotations']) == [5, BIG]


@pytest.mark.parametrize('key', ('mask', 'class_id', 'tracker_id'))
def test_what_is_missing_is_named(tmp_path, supervision, key):
    content = content_of(tmp_path)
    frames = to_detections(content, 4)
    setattr(frames[2], key, None)
    with pytest.raises(ValueError, match=f'video 4, frame 2: {key} is None; run a tracker'):
        from_detections({4: frames}, content)
    with pytest.raises(ValueError, match='video 4: 4 frames, the ground truth has 5'):
        from_detections({4: frames[1:]}, content)
    with pytest.raises(ValueError, match='video 9: 5 frames, the ground truth has no'):
        from_detections({9: frames}, content)
    with pytest.raises(ValueError, match='no video has the id 9'):
        to_detections(content, 9)


def test_without_the_package_its_installation_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'supervision', None)
    with pytest.raises(ImportError, match='pip install supervision'):
        to_detections(content_of(tmp_path), 4)


def test_confidences_in_some_frames_only_are_named(tmp_path, supervision):
    content = content_of(tmp_path)
    frames = to_detections(content, 4)
    frames[2].confidence = None
    with pytest.raises(ValueError, match='video 4: track .*: it has a score in some frames only'):
        from_detections({4: frames}, content)

"""A stream's file is whole after every line, and says what the stream would have said there."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
from pycocotools import mask

from rocovis_mm.apis import ResultsLog, read_log, results_from_log
from rocovis_mm.streaming import results_log
from rocovis_mm.streaming.track_recorder import TrackRecorder
from tests.tiny_streams import frames, same_tracks


@pytest.fixture(scope='module')
def clip():
    return frames(6)


@pytest.fixture
def written(inferencer, clip, tmp_path):
    """A finished stream's file, and the tracks of streams that ended after 1, 2, ... frames."""
    path = tmp_path / 'new' / 'stream.jsonl'
    with inferencer.stream(results_jsonl=path, video_id=7, fps=25.0) as stream:
        for frame in clip:
            stream.push(frame)
    expected = []
    for length in range(1, len(clip) + 1):
        with inferencer.stream(video_id=7) as stream:
            for frame in clip[:length]:
                stream.push(frame)
            expected.append(stream.finish().tracks)
    return path, expected


def test_the_file_holds_the_tracks_of_any_number_of_frames(written, clip):
    path, expected = written
    assert same_tracks(results_from_log(path), expected[-1])
    for length in range(1, len(clip) + 1):
        assert results_from_log(path, length) == expected[length - 1]
    with pytest.raises(ValueError, match='has 6 whole frames, not 9'):
        results_from_log(path, 9)


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_line(written, tmp_path):
    path, expected = written
    content = path.read_bytes()
    ends = [n + 1 for n, byte in enumerate(content) if byte == ord('\n')]
    cut = tmp_path / 'cut.jsonl'
    for end in range(ends[0], len(content), 997):
        cut.write_bytes(content[:end])
        lines = sum(end >= x for x in ends)
        assert results_from_log(cut) == ([] if lines == 1 else expected[lines - 2])


def test_the_file_tells_of_the_video(written):
    header, first, *_ = read_log(written[0])
    assert (header['height'], header['width'], header['fps']) == (48, 72, 25.0)
    assert header['classes'] == list('abcde') and header['category_ids'] == [1, 2, 3, 4, 5]
    assert first['frame'] == 0 and first['instances'][0].keys() == {
        'id',
        'label',
        'class',
        'score',
        'box',
        'segmentation',
    }


def test_a_line_has_the_time_and_each_instance_its_class_and_box(written):
    header, *lines = read_log(written[0])
    assert [line['time'] for line in lines] == [n / 25 for n in range(6)]
    for line in lines:
        for seen in line['instances']:
            assert seen['class'] == header['classes'][seen['label']]
            rows, columns = np.nonzero(mask.decode(seen['segmentation']))
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert seen['box'] == box


def test_tracks_have_their_ids_and_none_has_score_0(rocovis, clip, tmp_path, monkeypatch):
    recorder = 'rocovis_mm.streaming.track_recorder.TrackRecorder.standing'
    standing = TrackRecorder.standing

    def with_zeros(self):
        found = standing(self)
        return [*found[:3], *(track._replace(score=0.0) for track in found[3:])]

    with rocovis.stream() as stream:
        for frame in clip:
            stream.push(frame)
        expected = stream.finish()
    monkeypatch.setattr(recorder, with_zeros)
    for options in (dict(), dict(results_jsonl=tmp_path / 'stream.jsonl')):
        with rocovis.stream(**options) as stream:
            for frame in clip:
                stream.push(frame)
            found = stream.finish()
        assert len(found.standing) == 3 and found.tracks == expected.tracks[:3]
        assert [x['id'] for x in found.tracks] == [x.identity for x in found.standing]


def test_nothing_is_overwritten(written):
    before = written[0].read_bytes()
    with pytest.raises(FileExistsError, match='give another name'):
        ResultsLog(written[0])
    assert written[0].read_bytes() == before


def test_other_files_and_damaged_ones_are_named(written, tmp_path):
    other = tmp_path / 'other.jsonl'
    other.write_text(json.dumps(dict(annotations=[])) + '\n')
    with pytest.raises(ValueError, match=r'other\.jsonl: is no results log'):
        results_from_log(other)
    lines = written[0].read_bytes().split(b'\n')
    lines[2] = lines[2][:-5]
    other.write_bytes(b'\n'.join(lines))
    with pytest.raises(ValueError, match=r'other\.jsonl: line 3 is damaged'):
        results_from_log(other)
    other.touch()
    other.write_bytes(b'')
    with pytest.raises(ValueError, match='has 0 whole frames'):
        results_from_log(other)


def test_a_full_disk_leaves_whole_lines(inferencer, clip, tmp_path, monkeypatch):
    path = tmp_path / 'stream.jsonl'
    stream = inferencer.stream(results_jsonl=path)
    for frame in clip[:3]:
        stream.push(frame)
    whole = path.read_bytes()

    def no_room(file, content):
        file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(results_log, 'write_all', no_room)
        with pytest.raises(OSError, match=r'its 4 lines so far are whole.*stream\.jsonl'):
            stream.push(clip[3])
    stream.close()
    assert path.read_bytes() == whole
    assert len(results_from_log(path)[0]['segmentations']) == 3

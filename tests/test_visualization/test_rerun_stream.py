"""A stream in Rerun: as the callback of a video and of pushes, it holds each frame's result."""

from __future__ import annotations

import numpy as np
import pytest

from rocovis_mm.streaming.results import FrameResult
from rocovis_mm.visualization.rerun_stream import RerunStream
from tests.rerun_reading import Recording, needs_rerun
from tests.tiny_streams import frames, tiny_inferencer

PLACE = '/stream/prediction'


@pytest.fixture(scope='module')
def inferencer():
    needs_rerun()
    return tiny_inferencer()


def check(recording: Recording, found: list[FrameResult], classes, threshold: float) -> int:
    """Compare a recording with results, and return the number of instances."""
    count = 0
    for result in found:
        masks = recording.masks(PLACE, result.frame)
        boxes = recording.boxes(PLACE, result.frame)
        scores = recording.scores(PLACE, result.frame)
        kept = [n for n in range(len(result)) if result.scores[n] >= threshold]
        numbers = {int(result.ids[n]) + 1 for n in kept}
        assert numbers == masks.keys() == boxes.keys() == scores.keys()
        for n in kept:
            number = int(result.ids[n]) + 1
            np.testing.assert_array_equal(masks[number], result.masks[n])
            box, label = boxes[number]
            assert box == result.boxes[n].tolist()
            name, score = classes[result.labels[n]], float(result.scores[n])
            assert label == f'{name} #{number - 1} {score:.2f}'
            assert scores[number] == score
        count += len(kept)
    return count


def test_a_callback_of_the_inferencer(tmp_path, inferencer):
    found = []
    with RerunStream(tmp_path / 'a.rrd', inferencer.classes, 5.0, score_threshold=0) as log:

        def both(frame, result):
            found.append(result)
            log(frame, result)

        inferencer(iter(frames(6)), callback=both)
    recording = Recording(tmp_path / 'a.rrd')
    assert check(recording, found, inferencer.classes, 0) > 6
    assert recording.times == {frame: frame / 5 for frame in range(6)}
    assert len(recording.rows['/stream/image']) == 6


def test_results_of_pushes_above_the_threshold(tmp_path, inferencer):
    with (
        RerunStream(tmp_path / 'a.rrd', inferencer.classes, score_threshold=0.5) as log,
        inferencer.stream(on_size_change='resize') as stream,
    ):
        found = []
        for number, frame in enumerate(frames(5)):
            pushed = frame[::2, ::2] if number == 3 else frame  # a smaller one is enlarged
            found.append(stream.push(pushed))
            log(pushed, found[-1])
    recording = Recording(tmp_path / 'a.rrd')
    check(recording, found, inferencer.classes, 0.5)
    assert recording.times == {}


def test_a_wrong_frame_is_an_error(tmp_path, inferencer):
    result = inferencer.stream().push(frames(1)[0])
    with RerunStream(tmp_path / 'a.rrd') as log, pytest.raises(ValueError, match='not an image'):
        log(None, result)

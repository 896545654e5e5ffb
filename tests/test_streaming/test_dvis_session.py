"""DVIS in live sessions: streams side by side, a bounded past, and slots that are given back."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny_streams import frames, same_tracks, tiny_inferencer


@pytest.fixture(scope='module')
def inferencer():
    """In double precision, where a batch rounds as its members do."""
    return tiny_inferencer(exact=True, method='dvis')


def shapes(stream) -> list[tuple[int, ...]]:
    state = stream.video.state
    return [tuple(x.shape) for x in (state.queries, *(frame.queries for frame in state.memory))]


def test_streams_side_by_side_are_those_alone(inferencer):
    """One of them is a frame ahead, so that both meet in a batch at different frames."""
    clips = [frames(4, seed=1), frames(5, seed=2)]
    expected = []
    for clip in clips:
        with inferencer.stream() as stream:
            found = []
            for frame in clip:
                stream.push(frame)
                found.append(shapes(stream))
            expected.append(stream.finish().tracks)
        assert found == [[(1, 6, 32)] * 2] * len(clip)  # bounded: nothing grows
    streams = [inferencer.stream() for _ in clips]
    streams[1].push(clips[1][0])
    for t in range(4):
        results = inferencer.push([(streams[0], clips[0][t]), (streams[1], clips[1][t + 1])])
        assert [result.frame for result in results] == [t, t + 1]
    for stream, tracks in zip(streams, expected):
        assert same_tracks(stream.finish().tracks, tracks, tolerance=1e-9)


def test_a_slot_that_is_given_back_changes_its_number_alone(inferencer):
    """The tracker's past stays: what the model predicts is the same."""
    clip = frames(5, seed=3)
    kept, released = inferencer.stream(), inferencer.stream(release_after=1)
    for frame in clip:
        one, other = kept.push(frame), released.push(frame)
        assert np.array_equal(one.masks, other.masks)
    found = released.video.recorder.identities
    assert len(set(found.tolist())) == 6 and (found >= np.arange(6)).all()

"""What is drawn of a stream, and what is said where nothing is."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from rocovis_mm.apis import Outputs
from rocovis_mm.streaming.results import FrameResult
from tests.tiny_streams import frames


def result(number: int, score: float) -> FrameResult:
    """Return one instance of a frame of 48 x 72."""
    mask = np.zeros((1, 48, 72), bool)
    mask[:, 10:20, 10:20] = True
    box = np.array([[10, 10, 20, 20]], np.float32)
    return FrameResult(number, np.array([0]), np.array([0]), np.array([score]), box, mask)


def draw(scores: list[float], **options) -> None:
    with Outputs(['cat'], 10.0, score_thr=0.3, **options) as outputs:
        for number, (frame, score) in enumerate(zip(frames(len(scores), (48, 72)), scores)):
            outputs.put(frame, result(number, score))


@pytest.mark.parametrize('kind', ['out', 'masks'])
def test_files_without_any_instance_are_spoken_of(tmp_path, kind):
    with pytest.warns(UserWarning, match=r'/x: no track has a score of 0.3.* the best one has 0.2'):
        draw([0.1, 0.2], **{kind: tmp_path / 'x'})
    with pytest.warns(UserWarning, match='/x: there are no tracks at all'):
        draw([], **{kind: tmp_path / 'x'})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        draw([0.1, 0.4], **{kind: tmp_path / 'x'})
        draw([0.1], draw=True)  # without a file
    assert not [each for each in said if 'no track' in str(each.message)]
    assert len(list((tmp_path / 'x').iterdir())) == 2


def test_an_error_is_not_followed_by_words_on_what_is_shown(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with pytest.raises(KeyError), Outputs(['cat'], 10.0, tmp_path / 'x'):
            raise KeyError

"""Which frames are degraded, and how much of them is left."""

from __future__ import annotations

from itertools import groupby

import cv2
import numpy as np
import pytest

from rocovis_mm.datasets.embedded.degradation import WAYS, degrade_frames, plan_degradation
from rocovis_mm.datasets.embedded.hard_scenes import plan_hard_scene
from rocovis_mm.datasets.embedded.rendering import render_video


@pytest.mark.parametrize('num_frames', [20, 22, 40])
def test_a_quarter_of_the_frames_in_runs_of_one_to_three(num_frames):
    plans = [plan_degradation(np.random.default_rng(seed), num_frames) for seed in range(200)]
    ways = np.array([[way is not None for way in plan] for plan in plans])
    assert 0.22 < ways.mean() < 0.28
    assert 0.85 < ways.any(1).mean() < 0.99
    assert not ways[:, :2].any() and ways[:, 2:].any(0).all()
    lengths = set()
    for plan in plans:
        runs = [(way, len(list(run))) for way, run in groupby(plan)]
        lengths |= {length for way, length in runs if way}
        # an intact frame is between two runs
        assert not any(one[0] and other[0] for one, other in zip(runs, runs[1:]))
    assert lengths == {1, 2, 3}
    assert {way for plan in plans for way in plan} == {None, *WAYS}


def test_only_the_planned_frames_change_and_the_input_does_not():
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 48, 3), dtype=np.uint8)
    before = frames.copy()
    degraded = degrade_frames(np.random.default_rng(1), frames, [None, 'blur', None, 'fade'])
    np.testing.assert_array_equal(frames, before)
    np.testing.assert_array_equal(degraded[[0, 2]], frames[[0, 2]])
    assert (degraded[[1, 3]] != frames[[1, 3]]).any((1, 2, 3)).all()


@pytest.fixture(scope='module')
def drawn():
    scene = plan_hard_scene(np.random.default_rng(1), 20)
    return render_video(scene, 96, 160).frames[::5]


@pytest.mark.parametrize('way', WAYS)
def test_little_of_a_frame_is_left(drawn, way):
    """By the correlation of its edges with those of the intact frame."""

    def edges(frame):
        gray = cv2.GaussianBlur(frame.mean(2), (0, 0), 1)
        return np.stack([cv2.Sobel(gray, cv2.CV_64F, 1, 0), cv2.Sobel(gray, cv2.CV_64F, 0, 1)])

    kept = []
    for seed, frame in enumerate(drawn):
        left = WAYS[way](np.random.default_rng(seed), frame)
        assert left.shape == frame.shape and left.dtype == np.uint8
        kept.append(np.corrcoef(edges(frame).ravel(), edges(left).ravel())[0, 1])
    assert max(kept) < 0.75

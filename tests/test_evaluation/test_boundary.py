"""Boundaries by run lengths against mask minus naive erosion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vis_reference import naive_boundary, random_mask, to_rle

from rocovis_mm.evaluation.functional.boundary import (
    boundary_width,
    column_runs,
    erode,
    tube_boundary,
)
from rocovis_mm.formats.run_lengths import Tube


def paint(runs, height, width, length, gap):
    """(T, H, W) of runs in gapped column order; nothing may stand in the gaps."""
    line = np.zeros(length * (width + gap) * height, bool)
    for start, end in zip(runs.starts, runs.ends):
        line[start:end] = True
    frames = line.reshape(length, width + gap, height)
    assert not frames[:, width:].any()
    return frames[:, :width].transpose(0, 2, 1)


def wrong_pixels(masks):
    """Return how many pixels a tube's boundary has wrong."""
    length, height, width = masks.shape
    counts = [to_rle(mask)['counts'] for mask in masks]
    counts.insert(1, None)  # a frame without a mask between two that have one
    masks = np.insert(masks, 1, False, axis=0)
    tube = Tube.from_counts(height, width, counts)
    distance = boundary_width(height, width)
    found = paint(tube_boundary(tube), height, width, length + 1, 2 * distance)
    return (found != np.stack([naive_boundary(mask) for mask in masks])).sum()


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([3, 20, 130]))
def test_equals_mask_minus_naive_erosion(seed, side):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, side + 1, 2)
    masks = np.stack([random_mask(rng, height, width) for _ in range(rng.integers(1, 4))])
    assert wrong_pixels(masks) == 0


@pytest.mark.parametrize('size', [(1, 1), (1, 90), (90, 1), (2, 2), (180, 320), (7, 400)])
@pytest.mark.parametrize('kind', ['full', 'empty', 'left', 'right', 'top', 'bottom', 'hole'])
def test_odd_shapes(size, kind):
    masks = np.zeros((2, *size), bool)
    height, width = size
    borders = {
        'left': np.s_[:, :, : width // 2 + 1],
        'right': np.s_[:, :, width // 2 :],
        'top': np.s_[:, : height // 2 + 1],
        'bottom': np.s_[:, height // 2 :],
    }
    if kind in borders:
        masks[borders[kind]] = True
    elif kind != 'empty':
        masks[:] = True
        masks[1, height // 2, width // 2] = kind != 'hole'
    assert wrong_pixels(masks) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_erosion_wider_than_the_image(seed, distance):
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(1, 16, 2))
    mask = random_mask(rng, height, width) | (rng.random((height, width)) < 0.9)
    tube = Tube.from_counts(height, width, [to_rle(mask)['counts']] * 2)
    gap = 2 * distance
    eroded = paint(erode(column_runs(tube, gap), height, distance), height, width, 2, gap)
    padded = np.pad(mask, distance)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (gap + 1, gap + 1))
    assert (eroded == windows.all(axis=(2, 3))).all()


def test_width_is_two_percent_of_the_diagonal_and_at_least_one():
    assert boundary_width(720, 1280) == 29
    assert boundary_width(10, 10) == 1

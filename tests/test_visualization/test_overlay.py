"""What is drawn over a frame."""

from __future__ import annotations

import numpy as np
import pytest

from rocovis_mm.formats.boxes import bounding_box
from rocovis_mm.visualization.geometry import meet
from rocovis_mm.visualization.overlay import (
    display_scale,
    draw_overlay,
    enlarge_mask,
    place_chip,
)
from rocovis_mm.visualization.palette import identity_color


def disc(height: int, width: int, center: tuple[int, int], radius: int) -> np.ndarray:
    rows, columns = np.ogrid[:height, :width]
    return (rows - center[0]) ** 2 + (columns - center[1]) ** 2 <= radius**2


@pytest.fixture
def frame():
    return np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)


def test_colour_goes_where_the_mask_is_and_nowhere_else(frame):
    mask = disc(90, 120, (45, 60), 20)
    drawn = draw_overlay(frame, mask[None], [3], scale=1, alpha=1.0)
    core, outside = disc(90, 120, (45, 60), 15), ~disc(90, 120, (45, 60), 27)
    assert (drawn[core] == identity_color(3)).all()
    assert (drawn[outside] == frame[outside]).all()


def test_inputs_are_left_as_they_are(frame):
    kept = frame.copy()
    draw_overlay(frame, np.ones((1, 90, 120), dtype=bool), [0], ['all'], scale=1)
    assert (frame == kept).all()


def test_an_identity_looks_the_same_whoever_is_beside_it(frame):
    left, right = disc(90, 120, (45, 30), 15), disc(90, 120, (45, 90), 15)
    alone = draw_overlay(frame, left[None], [5], scale=1)
    second = draw_overlay(frame, np.stack([right, left]), [2, 5], scale=1)
    assert (alone[:, :55] == second[:, :55]).all()


def test_a_small_instance_stays_visible_on_a_large_one(frame):
    large, small = disc(90, 120, (45, 60), 40), disc(90, 120, (45, 60), 12)
    for masks, identities in (([large, small], [0, 1]), ([small, large], [1, 0])):
        drawn = draw_overlay(frame, np.stack(masks), identities, scale=1, alpha=1.0)
        assert tuple(drawn[45, 60]) == identity_color(1)


@pytest.mark.parametrize('masks', [np.zeros((0, 90, 120)), np.zeros((1, 90, 120))])
def test_nothing_to_draw_leaves_the_frame(frame, masks):
    captions = ['unseen'] * len(masks)
    assert (draw_overlay(frame, masks, range(len(masks)), captions, scale=1) == frame).all()


def test_masks_and_identities_must_agree(frame):
    with pytest.raises(ValueError, match='1 masks for 2 identities'):
        draw_overlay(frame, np.ones((1, 90, 120), dtype=bool), [0, 1])


def test_small_frames_are_enlarged_and_large_ones_left():
    assert display_scale(96) == 4
    assert display_scale(360) == display_scale(1080) == 1
    drawn = draw_overlay(np.zeros((96, 160, 3), np.uint8), np.zeros((0, 96, 160)), [])
    assert drawn.shape == (384, 640, 3)


def test_an_enlarged_mask_keeps_its_shape():
    small, large = disc(40, 60, (20, 30), 12), disc(160, 240, (81, 121), 47)
    found = enlarge_mask(small, 4)
    assert (found & large).sum() / (found | large).sum() > 0.96


def test_captions_lie_in_the_frame_and_apart():
    anchor = bounding_box(disc(90, 120, (2, 118), 10))
    taken = []
    for _ in range(3):
        box = place_chip(anchor, (90, 120), 50, 18, taken)
        assert box[0] >= 0 and box[1] >= 0 and box[2] < 120 and box[3] <= 90
        assert not any(meet(box, other) for other in taken)
        taken.append(box)


def test_a_caption_longer_than_the_frame_does_no_harm(frame):
    drawn = draw_overlay(frame, np.ones((1, 90, 120), dtype=bool), [0], ['w' * 200], scale=1)
    assert drawn.shape == frame.shape


def test_a_box_ends_where_its_mask_does():
    mask = np.zeros((9, 12), dtype=bool)
    assert bounding_box(mask) is None
    mask[2:5, 3:11] = True
    assert bounding_box(mask) == (3, 2, 11, 5)
    assert bounding_box(mask).cut(mask).all()


def test_masks_at_the_border_are_filled_and_outlined(frame):
    mask = np.ones((90, 120), dtype=bool)
    drawn = draw_overlay(frame, mask[None], [3], scale=1, alpha=1.0)
    assert (drawn[4:-4, 4:-4] == identity_color(3)).all()
    assert (drawn[[0, -1]] == identity_color(3)).all()

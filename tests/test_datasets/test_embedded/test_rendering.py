"""The masks of generated videos against outlines worked out pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rocovis_mm.datasets.embedded import plan_scene, render_video
from rocovis_mm.datasets.embedded.rendering import MIN_VISIBLE, visible_masks
from rocovis_mm.datasets.embedded.scenes import Actor, Scene
from rocovis_mm.datasets.embedded.shapes import RING_HOLE, SHAPE_CLASSES

NAMES = [shape.name for shape in SHAPE_CLASSES]
HEIGHT, WIDTH = 48, 80


def still(name, x=0.5, y=0.5, size=0.3, angle=0.0):
    """An undeformed actor that stands still for one frame."""
    return Actor(
        label=NAMES.index(name),
        hue=0.0,
        contrast=0.5,
        path=np.array([(x, y)]),
        size=np.array([size]),
        angle=np.array([angle]),
        deformation=np.zeros((1, 2, 2)),
    )


def scene(*actors, camera=(0.0, 0.0, 1.0)):
    return Scene(list(actors), np.array([camera]), 3, ())


def is_inside(name, x, y, angle):
    """Whether a point, in units of the size, lies in a shape turned by `angle`: by geometry."""
    x, y = (
        x * math.cos(angle) + y * math.sin(angle),
        y * math.cos(angle) - x * math.sin(angle),
    )
    if name == 'ball':
        return x * x + y * y <= 1
    if name == 'ring':
        return RING_HOLE**2 <= x * x + y * y <= 1
    if name == 'star':
        outline = 0.60 + 0.55 * ((1 + math.cos(5 * math.atan2(y, x))) / 2) ** 1.4
        return math.hypot(x, y) <= outline
    corners, radius = (3, 1.42) if name == 'kite' else (4, 1.25)
    inner = radius * math.cos(math.pi / corners)  # a regular polygon: inside all of its edges
    normals = [math.pi / corners * (2 * edge + 1) for edge in range(corners)]
    return all(x * math.cos(n) + y * math.sin(n) <= inner for n in normals)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('angle', [0.0, 0.7])
def test_masks_are_the_shapes_at_pixel_centres(name, angle):
    x, y, size = 0.43, 0.55, 0.31
    video = render_video(scene(still(name, x, y, size, angle)), HEIGHT, WIDTH)
    expected = np.array(
        [
            [
                is_inside(
                    name,
                    (column + 0.5 - x * WIDTH) / (size * HEIGHT),
                    (row + 0.5 - y * HEIGHT) / (size * HEIGHT),
                    angle,
                )
                for column in range(WIDTH)
            ]
            for row in range(HEIGHT)
        ]
    )
    assert (video.masks[0, 0] != expected).sum() <= 1  # a centre right on the edge
    assert video.extents[0, 0] == video.masks[0, 0].sum()


def test_the_nearer_hides_the_farther_and_shows_it_through_its_hole():
    ring, ball = still('ring', size=0.4), still('ball', size=0.2)
    masks = render_video(scene(ring, ball), HEIGHT, WIDTH).masks[:, 0]
    alone = render_video(scene(ball), HEIGHT, WIDTH).masks[0, 0]
    assert not (masks[0] & masks[1]).any()
    np.testing.assert_array_equal(masks[1], alone & ~masks[0])
    assert masks[1].sum() > 100
    swapped = render_video(scene(ball, ring), HEIGHT, WIDTH).masks[:, 0]
    np.testing.assert_array_equal(swapped[0], alone)


def test_hidden_objects_are_absent_but_their_extent_is_known():
    box, ball = still('box', size=0.4), still('ball', size=0.15)
    video = render_video(scene(box, ball), HEIGHT, WIDTH)
    assert not video.masks[1].any()
    assert video.extents[1, 0] > 100


def test_slivers_are_neither_shown_nor_in_the_way():
    sliver, behind = np.zeros((2, 9, 9), dtype=bool)
    sliver.flat[: MIN_VISIBLE - 1] = True
    behind[:4] = True
    shown = visible_masks(np.stack((sliver, behind)))
    assert not shown[0].any()
    np.testing.assert_array_equal(shown[1], behind)
    video = render_video(scene(still('ball', x=-0.2, size=0.3)), HEIGHT, WIDTH)
    image = render_video(scene(still('ball', x=-3)), HEIGHT, WIDTH)
    assert not video.masks.any()
    np.testing.assert_array_equal(video.frames, image.frames)


@pytest.mark.parametrize(('x', 'y'), [(0.5, 1.05), (1.02, 0.5), (0.5, -0.05), (0.0, 0.0)])
def test_shadows_stay_beside_their_objects(x, y):
    video = render_video(scene(still('ball', x, y, 0.2)), HEIGHT, WIDTH)
    empty = render_video(scene(still('ball', x=-9)), HEIGHT, WIDTH)
    changed = (video.frames[0] != empty.frames[0]).any(-1)
    rows, columns = np.nonzero(changed)
    distance = np.hypot(columns + 0.5 - x * WIDTH, rows + 0.5 - y * HEIGHT)
    assert changed.any() and distance.max() < 0.2 * HEIGHT + 11


def test_the_camera_moves_objects_and_background_alike():
    here = render_video(scene(still('star')), HEIGHT, WIDTH)
    pan = 6 / HEIGHT  # six pixels to the right
    there = render_video(scene(still('star'), camera=(pan, 0, 1)), HEIGHT, WIDTH)
    np.testing.assert_array_equal(here.masks[0, 0][:, 6:], there.masks[0, 0][:, :-6])
    np.testing.assert_allclose(
        here.frames[0][:, 6:].astype(int), there.frames[0][:, :-6].astype(int), atol=2
    )
    near = render_video(scene(still('ball'), camera=(0, 0, 1.1)), HEIGHT, WIDTH)
    grown = near.masks.sum() / render_video(scene(still('ball')), HEIGHT, WIDTH).masks.sum()
    assert grown == pytest.approx(1.21, abs=0.05)


def test_pixels_of_an_object_show_its_colour():
    video = render_video(scene(still('ball', size=0.4)), HEIGHT, WIDTH)  # hue 0: red
    inside = video.masks[0, 0]
    blue, green, red = video.frames[0][inside].mean(0)
    assert red > 1.5 * max(blue, green)
    blue, green, red = video.frames[0][~inside].mean(0)
    assert red < 1.5 * max(blue, green)


@pytest.mark.parametrize('seed', range(12))
def test_planned_scenes(seed):
    plan = plan_scene(np.random.default_rng(seed), 7)
    video = render_video(plan, HEIGHT, WIDTH)
    assert video.frames.shape == (7, HEIGHT, WIDTH, 3) and video.frames.dtype == np.uint8
    assert 2 <= len(plan.actors) <= 4
    assert video.masks.sum(0).max() <= 1
    areas = video.masks.sum((2, 3))
    assert ((areas == 0) | (areas >= MIN_VISIBLE)).all()
    assert (areas <= video.extents).all()
    if 'crossing' in plan.events:
        label, hue = plan.actors[0].label, plan.actors[0].hue
        alike = [a for a in plan.actors if a.label == label and abs(a.hue - hue) <= 8]
        others = [a for a in plan.actors if a not in alike]
        assert len(alike) >= 2 or len(others) >= 2

"""Planning the objects, paths and events of an embedded video.

A random generator plans a scene in units of the frame (x, y from 0 to 1, sizes in frame heights),
so that it does not depend on the resolution.
Letters: K objects · T frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rocovis_mm.datasets.embedded.shapes import SCENERY_CLASSES, SHAPE_CLASSES, ShapeClass

OTHER_CLASS = 0.85
"""Share of the single objects whose class is unique in their scene."""
LOOKALIKE_HUE = 8.0
"""Instances of a class are look-alikes if their hues differ by less (degrees)."""


@dataclass(frozen=True)
class Actor:
    """One object over the whole video.

    Attributes:
        label: index of its class; for scenery, of its scenery class.
        hue: degrees.
        contrast: of its texture, 0..1.
        path: (T, 2) x, y of its centre, in frame widths and heights.
        size: (T,) in frame heights.
        angle: (T,) radians.
        deformation: (T, harmonics, 2) amplitudes of the outline's harmonics.
        scenery: whether it is a thing without annotations.
    """

    label: int
    hue: float
    contrast: float
    path: np.ndarray
    size: np.ndarray
    angle: np.ndarray
    deformation: np.ndarray
    scenery: bool = False

    @property
    def shape(self) -> ShapeClass:
        """The class of its shape."""
        return (SCENERY_CLASSES if self.scenery else SHAPE_CLASSES)[self.label]


@dataclass(frozen=True)
class Scene:
    """A planned video.

    Attributes:
        actors: from the nearest to the farthest.
        camera: (T, 3) pan x, y in frame heights and zoom.
        background_seed: of the random background.
        events: names of the planned events, such as ``crossing``.
    """

    actors: list[Actor]
    camera: np.ndarray
    background_seed: int
    events: tuple[str, ...]


def plan_scene(rng: np.random.Generator, num_frames: int) -> Scene:
    """Plan a random scene of 2 to 4 objects.

    One scene in eight contains two look-alikes that cross, one in ten an object that hides behind
    a larger one. Each other object roams, enters, leaves, or leaves and returns.
    """
    events: list[str] = []
    actors: list[Actor] = []
    draw = rng.random()
    if draw < 0.12:
        events.append('crossing')
        actors += _crossing_pair(rng, num_frames, lookalike=True)
    elif draw < 0.22:
        events.append('hiding')
        actors += _crossing_pair(rng, num_frames, lookalike=False)
    for _ in range(rng.integers(1, 3) if actors else rng.integers(2, 4)):
        name, path = _single_path(rng, num_frames)
        events += [name] if name else []
        label = draw_other_class(rng, actors)
        actors.insert(rng.integers(len(actors) + 1), draw_actor(rng, path, label))
    camera = wander(rng, num_frames, 3) * (0.10, 0.06, 0.05) + (0, 0, 1)
    return Scene(actors, camera, int(rng.integers(2**31)), tuple(events))


def draw_other_class(rng: np.random.Generator, actors: list[Actor]) -> int | None:
    """A class that no actor has yet, or sometimes any class (None)."""
    rest = sorted(set(range(len(SHAPE_CLASSES))) - {a.label for a in actors if not a.scenery})
    return int(rng.choice(rest)) if rng.random() < OTHER_CLASS else None


def _crossing_pair(rng: np.random.Generator, num_frames: int, lookalike: bool) -> list[Actor]:
    """Two objects whose paths cross, the nearer one first.

    Look-alikes share class and hue. Otherwise the nearer object is larger and hides the other for
    some frames.
    """
    time = np.linspace(-1, 1, num_frames)[:, None]
    meeting = rng.uniform((0.38, 0.38), (0.62, 0.62))
    direction = rng.choice((-1, 1)) * np.array((1, rng.uniform(-0.35, 0.35)))
    shift = rng.uniform(-0.25, 0.25)
    way = direction * rng.uniform(0.28, 0.36)
    miss = np.array((0, rng.uniform(-0.12, 0.12) if lookalike else rng.uniform(-0.03, 0.03)))
    label = int(rng.integers(len(SHAPE_CLASSES)))
    hue = draw_hue(rng, label)
    near = draw_actor(
        rng, meeting + way * (time - shift) + miss, label, hue, None if lookalike else 0.25
    )
    if lookalike:
        hue += rng.uniform(-0.5, 0.5) * LOOKALIKE_HUE
    else:
        label = int((label + rng.integers(1, len(SHAPE_CLASSES))) % len(SHAPE_CLASSES))
        hue = draw_hue(rng, label)
    far_way = -way if lookalike else -way * 0.8
    far = draw_actor(
        rng, meeting + far_way * (time - shift), label, hue, None if lookalike else 0.14
    )
    return [near, far]


def _single_path(rng: np.random.Generator, num_frames: int) -> tuple[str | None, np.ndarray]:
    """The name of an object's event, if any, and its path (T, 2)."""
    home = rng.uniform((0.2, 0.25), (0.8, 0.75))
    way = home + wander(rng, num_frames, 2) * (0.14, 0.16)
    name = rng.choice(('roaming', 'return', 'entry', 'exit'), p=(0.76, 0.08, 0.08, 0.08))
    if name == 'roaming':
        return None, way
    out = home.copy()
    side = rng.integers(4)  # left, right, top, bottom
    out[side // 2] = (-0.30, 1.30)[side % 2] if side < 2 else (-0.38, 1.38)[side % 2]
    time = np.linspace(0, 1, num_frames)
    moment, slope = rng.uniform(0.35, 0.65), rng.uniform(0.10, 0.16)
    if name == 'return':
        width = rng.uniform(0.16, 0.24)
        away = step((time - moment + width) / slope) * step((moment + width - time) / slope)
    else:
        away = step((time - moment) / slope * (1 if name == 'exit' else -1))
    return str(name), way + away[:, None] * (out - home)


def draw_actor(
    rng: np.random.Generator,
    path: np.ndarray,
    label: int | None = None,
    hue: float | None = None,
    size: float | None = None,
) -> Actor:
    """An object on `path`, with random values of the missing arguments."""
    num_frames = len(path)
    label = int(rng.integers(len(SHAPE_CLASSES))) if label is None else label
    size = rng.uniform(0.15, 0.22) if size is None else size
    return Actor(
        label=label,
        hue=draw_hue(rng, label) if hue is None else hue,
        contrast=rng.uniform(0.5, 0.9),
        path=path,
        size=size * (1 + 0.15 * wander(rng, num_frames, 1)[:, 0]),
        angle=rng.uniform(0, 2 * np.pi) + 0.9 * wander(rng, num_frames, 1)[:, 0],
        deformation=0.07 * wander(rng, num_frames, 4).reshape(num_frames, 2, 2),
    )


def draw_hue(rng: np.random.Generator, label: int) -> float:
    """A hue near that of the class; the ranges of neighbouring classes overlap slightly."""
    return SHAPE_CLASSES[label].hue + float(np.clip(rng.normal(0, 9), -20, 20))


def wander(rng: np.random.Generator, num_frames: int, channels: int) -> np.ndarray:
    """Smooth random motion, (T, channels), within about [-1, 1]."""
    time = np.linspace(0, 2 * np.pi, num_frames)[:, None]
    periods = rng.uniform(0.3, 0.9, (2, channels))
    phases = rng.uniform(0, 2 * np.pi, (2, channels))
    slow, fast = np.sin(periods[0] * time + phases[0]), np.sin(2 * periods[1] * time + phases[1])
    return 0.75 * slow + 0.25 * fast


def step(x: np.ndarray) -> np.ndarray:
    """A smooth step from 0 (x <= -1) to 1 (x >= 1)."""
    x = np.clip((x + 1) / 2, 0, 1)
    return x * x * (3 - 2 * x)

"""Scenes whose objects are only distinguished by their past.

Times are in frames of a plan, so that a long video contains more events. A video has up to three
frames for each of them. Places and sizes have the units of `scenes`: x, y in frame widths and
heights, sizes in frame heights.
Letters: T frames.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.interpolate import make_interp_spline

from rocovis_mm.datasets.embedded.scenes import (
    LOOKALIKE_HUE,
    Actor,
    Scene,
    draw_actor,
    draw_other_class,
    step,
    wander,
)
from rocovis_mm.datasets.embedded.shapes import SCENERY_CLASSES, SHAPE_CLASSES

MIN_FRAMES = 20
"""Least number of frames in which all planned events can happen."""
SLOWNESS = 3
"""Frames of a video for each frame of its plan, fewer in a video of less than 60 frames. So a mask
and the next one overlap enough that the past says where things are in a degraded frame."""
HIDDEN_FRAMES = 9
"""Least number of frames of the plan of a hidden object behind its cover."""
SIZES = (0.17, 0.24)
"""Of an object, in frame heights."""
HEIGHTS_TO_WIDTHS = 0.6
"""About frame height / frame width, so that distances in both directions are similar."""
COVERS = ('ball', 'box')
"""Classes without a hole that would show an object behind."""


def plan_hard_scene(rng: np.random.Generator, num_frames: int) -> Scene:
    """Plan a random scene of 2 to 6 objects whose identities need the past.

    Of 100 scenes, 60 contain two look-alikes that meet, half of them identical twins. In 50 of
    100, an object is hidden for `HIDDEN_FRAMES` of the plan or more, behind a larger object or
    behind scenery without annotations. In a third of these a look-alike is visible meanwhile. Other
    objects roam, enter, leave, or leave and return.

    Raises:
        ValueError: `num_frames` is below `MIN_FRAMES`.
    """
    if num_frames < MIN_FRAMES:
        raise ValueError(
            f'a hard scene needs {MIN_FRAMES} frames or more, not {num_frames}; raise num_frames'
        )
    scene = _plan(rng, max(MIN_FRAMES, num_frames // SLOWNESS))
    actors = [
        replace(
            actor,
            path=_slowed(actor.path, num_frames),
            size=_slowed(actor.size, num_frames),
            angle=_slowed(actor.angle, num_frames),
            deformation=_slowed(actor.deformation, num_frames),
        )
        for actor in scene.actors
    ]
    return replace(scene, actors=actors, camera=_slowed(scene.camera, num_frames))


def _slowed(values: np.ndarray, num_frames: int) -> np.ndarray:
    """Return (T, ...) values between those of a plan, whose first and last ones stay."""
    plan = make_interp_spline(np.arange(len(values)), values, k=1)
    return plan(np.linspace(0, len(values) - 1, num_frames))


def _plan(rng: np.random.Generator, num_frames: int) -> Scene:
    """Plan a scene, see :func:`plan_hard_scene`, whose videos have a frame for each of its own."""
    events: list[str] = []
    actors: list[Actor] = []
    meets, hides = rng.random() < 0.6, rng.random() < 0.5
    if meets:
        actors += _meeting_pair(rng, num_frames, events)
    if hides:
        shown, group = _hiding_group(rng, num_frames, events, 0.0 if meets else 0.8)
        actors += shown
    front = len(actors)  # nothing hides these, so that at most one look-alike is out of sight
    if hides:
        actors += group
    elif rng.random() < 0.35:
        actors.append(_scenery(rng, rng.uniform((0.2, 0.3), (0.8, 0.7)), num_frames, 0.18))
    low, high = ((2, 4), (1, 3), (0, 2))[meets + hides]
    for _ in range(rng.integers(low, high)):
        path = _single_path(rng, num_frames)
        actor = _object(rng, path, draw_other_class(rng, actors))
        actors.insert(rng.integers(front, len(actors) + 1), actor)
    if any(actor.scenery for actor in actors):
        events.append('occluder')
    camera = wander(rng, num_frames, 3) * (0.10, 0.06, 0.05) + (0, 0, 1)
    return Scene(actors, camera, int(rng.integers(2**31)), tuple(events))


def _meeting_pair(rng: np.random.Generator, num_frames: int, events: list[str]) -> list[Actor]:
    """Two look-alikes, the nearer first, that meet once in 20 frames and pass or turn back."""
    rounds = max(1, num_frames // MIN_FRAMES)
    spell = num_frames / rounds
    time = np.arange(num_frames)
    side = np.full(num_frames, -1.0)  # the path ends at -1 and 1
    for number in range(rounds):
        moment = (number + rng.uniform(0.42, 0.58)) * spell
        pace = (time - moment) / rng.uniform(0.34, 0.42) / spell
        if rng.random() < 0.7:  # they pass
            side = side * (1 - 2 * step(pace))
        else:
            near = (1 - np.clip(pace, -1, 1) ** 2) ** 2
            side = side * (1 - rng.uniform(0.75, 1.0) * near)
    meeting = rng.uniform((0.4, 0.4), (0.6, 0.6))
    direction = rng.choice((-1, 1)) * np.array((1, rng.uniform(-0.5, 0.5)))
    way = side[:, None] * direction * rng.uniform(0.2, 0.28)
    miss = np.array((0, rng.uniform(-0.08, 0.08)))
    drift = wander(rng, num_frames, 2) * (0.02, 0.03)
    near = _object(rng, meeting + drift + way + miss)
    far = _lookalike(rng, near, meeting + drift - way, events)
    events.append('crossing')
    return [near, far]


def _lookalike(
    rng: np.random.Generator, actor: Actor, path: np.ndarray, events: list[str]
) -> Actor:
    """Another object of the actor's class and hue; one in two is its identical twin."""
    if rng.random() < 0.5:
        events.append('twins')
        return replace(actor, path=path)
    hue = actor.hue + rng.uniform(-0.5, 0.5) * LOOKALIKE_HUE
    return draw_actor(rng, path, actor.label, hue, float(actor.size.mean()))


def _hiding_group(
    rng: np.random.Generator, num_frames: int, events: list[str], lookalike_share: float
) -> tuple[list[Actor], list[Actor]]:
    """A hiding object: its look-alike, if drawn at `lookalike_share`, then cover and object."""
    longest = min(HIDDEN_FRAMES + 6, num_frames - 10)
    stay = int(rng.integers(HIDDEN_FRAMES, longest + 1))
    begin = int(rng.integers(5, num_frames - 5 - stay + 1))
    home = rng.uniform((0.35, 0.38), (0.65, 0.62))
    behind_object = rng.random() < 0.5
    size = rng.uniform(0.13, 0.15) if behind_object else rng.uniform(0.14, 0.17)
    hidden = _object(rng, np.zeros((num_frames, 2)), size=size)
    reach = outline_radii(hidden).max()
    if behind_object:
        cover = _large_object(rng, home + wander(rng, num_frames, 2) * (0.08, 0.06), reach)
    else:
        cover = _scenery(rng, home, num_frames, 1.05 * reach)
    distance = outline_radii(cover).max() + reach + rng.uniform(-0.05, 0.05)
    offset = _way_behind(rng, num_frames, begin, stay, distance)
    events.append('hiding')
    shown = []
    if rng.random() < lookalike_share:
        path = _companion_path(rng, num_frames, begin, stay)
        shown.append(_lookalike(rng, hidden, path, events))
    return shown, [cover, replace(hidden, path=cover.path + offset)]


def _large_object(rng: np.random.Generator, path: np.ndarray, reach: float) -> Actor:
    """An object that covers all within `reach` of its centre."""
    labels = [label for label, shape in enumerate(SHAPE_CLASSES) if shape.name in COVERS]
    actor = draw_actor(rng, path, int(rng.choice(labels)), None, 0.26)
    return _grown(actor, max(1.0, 1.05 * reach / outline_radii(actor).min()))


def _way_behind(
    rng: np.random.Generator, num_frames: int, begin: int, stay: int, distance: float
) -> np.ndarray:
    """The path (T, 2) relative to a cover: 0 for `stay` frames, `distance` before and after."""
    time = np.arange(num_frames)
    coming, going = min(rng.uniform(5, 8), begin), min(rng.uniform(5, 8), num_frames - begin - stay)
    outside = np.stack(
        (
            1 - step(2 * (time - begin) / coming + 1),
            step(2 * (time - begin - stay + 1) / going - 1),
        )
    )
    side = rng.choice((0, np.pi))
    angles = side + rng.uniform(-0.6, 0.6), side + rng.uniform(-0.6, 0.6)
    if rng.random() < 0.6:  # out on the other side
        angles = angles[0], angles[1] + np.pi
    directions = np.array([(HEIGHTS_TO_WIDTHS * np.cos(a), np.sin(a)) for a in angles])
    drift = wander(rng, num_frames, 2) * (0.03, 0.05) * outside.sum(0)[:, None]
    return distance * outside.T @ directions + drift


def _companion_path(rng: np.random.Generator, num_frames: int, begin: int, stay: int) -> np.ndarray:
    """The path of a hidden object's look-alike, which is always visible or enters meanwhile."""
    if rng.random() < 0.5:
        home = rng.uniform((0.2, 0.25), (0.8, 0.75))
        return home + wander(rng, num_frames, 2) * (0.14, 0.14)
    return _way_over_the_border(rng, num_frames, (('in', begin + rng.uniform(0.2, 0.7) * stay),))


def _single_path(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    """A path (T, 2) of an object without a planned event."""
    name = rng.choice(('roaming', 'return', 'entry', 'exit'), p=(0.2, 0.5, 0.15, 0.15))
    if name == 'roaming':
        home = rng.uniform((0.2, 0.25), (0.8, 0.75))
        return home + wander(rng, num_frames, 2) * (0.14, 0.16)
    if name == 'return':
        away = rng.uniform(8, min(16, num_frames - 9))
        moment = rng.uniform(4, num_frames - 5 - away)
        return _way_over_the_border(rng, num_frames, (('out', moment), ('in', moment + away)))
    moment = rng.uniform(0.35, 0.65) * num_frames
    return _way_over_the_border(rng, num_frames, (('out' if name == 'exit' else 'in', moment),))


def _way_over_the_border(
    rng: np.random.Generator, num_frames: int, moves: tuple[tuple[str, float], ...]
) -> np.ndarray:
    """A path (T, 2) that moves ``out`` and ``in``; each move is half done at its frame."""
    time = np.arange(num_frames)
    away = np.full(num_frames, float(moves[0][0] == 'in'))
    for name, moment in moves:
        moved = step((time - moment) / 3.5)
        away = away + moved if name == 'out' else away - moved
    home = rng.uniform((0.22, 0.25), (0.78, 0.75))
    out = home.copy()
    side = rng.integers(4)  # left, right, top, bottom
    axis = side // 2
    home[axis] = abs(side % 2 - rng.uniform(0.22, 0.45))
    out[axis] = ((-0.25, 1.25), (-0.42, 1.42))[axis][side % 2]
    return home + wander(rng, num_frames, 2) * (0.08, 0.1) + away[:, None] * (out - home)


def _object(
    rng: np.random.Generator, path: np.ndarray, label: int | None = None, size: float | None = None
) -> Actor:
    """An object on `path`, with a random class and size unless given."""
    return draw_actor(rng, path, label, None, rng.uniform(*SIZES) if size is None else size)


def _scenery(rng: np.random.Generator, place: np.ndarray, num_frames: int, radius: float) -> Actor:
    """Scenery that stays at `place` and covers `radius` around it; it is no instance."""
    actor = Actor(
        label=int(rng.integers(len(SCENERY_CLASSES))),
        hue=rng.uniform(0, 360),
        contrast=rng.uniform(0.6, 1.0),
        path=np.tile(place, (num_frames, 1)),
        size=np.ones(num_frames),
        angle=np.full(num_frames, rng.uniform(-0.1, 0.1)),
        deformation=np.zeros((num_frames, 2, 2)),
        scenery=True,
    )
    return _grown(actor, radius / outline_radii(actor).min())


def _grown(actor: Actor, factor: float) -> Actor:
    return replace(actor, size=actor.size * factor)


def outline_radii(actor: Actor) -> np.ndarray:
    """Return the distances of the outline from the centre, (T, 72) in frame heights."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return np.stack(
        [
            size * actor.shape.deformed_outline(angle, deformation)
            for size, deformation in zip(actor.size, actor.deformation)
        ]
    )

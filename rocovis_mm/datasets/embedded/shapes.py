"""The classes of the embedded data set: outlines and textures as formulas.

A shape has its own polar coordinates, angle in radians and radius in units of its size. A few
harmonics deform its outline over time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Field = np.ndarray
"""Float values on a grid of points, (h, w)."""

RING_HOLE = 0.42
"""Inner radius of a ring, as a share of its outer one."""


@dataclass(frozen=True)
class ShapeClass:
    """The properties of a class that its instances share.

    Attributes:
        name: of the class.
        hue: mean hue of its instances, degrees on the colour wheel.
        outline: angle -> radius of the outline.
        texture: (x, y) in the shape's own coordinates -> share of the second colour in [0, 1].
        hole: radius of the hole in its middle as a share of the outline's.
    """

    name: str
    hue: float
    outline: Callable[[Field], Field]
    texture: Callable[[Field, Field], Field]
    hole: float = 0.0

    def deformed_outline(self, angle: Field, deformation: Field) -> Field:
        """Return the radius of the deformed outline at angles; arguments as in `inside`."""
        outline = self.outline(angle)
        for order, (cosine, sine) in enumerate(deformation, start=2):
            outline = outline * (1 + cosine * np.cos(order * angle) + sine * np.sin(order * angle))
        return outline

    def inside(self, x: Field, y: Field, deformation: Field) -> Field:
        """Return the approximate distance of points from the outline, positive inside.

        Args:
            x: of the points, in the shape's own coordinates in units of its size.
            y: of the points, downwards.
            deformation: (harmonics, 2) cosine and sine amplitudes of the outline's second, third,
                ... harmonic.
        """
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        outline = self.deformed_outline(angle, deformation)
        distance = outline - radius
        return np.minimum(distance, radius - self.hole * outline) if self.hole else distance


def _polygon(corners: int, radius: float) -> Callable[[Field], Field]:
    step = 2 * np.pi / corners

    def outline(angle: Field) -> Field:
        return radius * np.cos(step / 2) / np.cos(np.mod(angle, step) - step / 2)

    return outline


def _star(angle: Field) -> Field:
    return 0.60 + 0.55 * ((1 + np.cos(5 * angle)) / 2) ** 1.4


def _disc(angle: Field) -> Field:
    return np.ones_like(angle)


def _wave(phase: Field) -> Field:
    """A square wave with soft edges, in [0, 1]."""
    return np.clip(0.5 + 1.6 * np.sin(phase), 0, 1)


SHAPE_CLASSES = (
    ShapeClass('ball', 0, _disc, lambda x, y: _wave(7.5 * y)),
    ShapeClass('star', 58, _star, lambda x, y: _wave(9 * np.hypot(x, y) + 1)),
    ShapeClass('kite', 130, _polygon(3, 1.42), lambda x, y: _wave(8 * (x + y))),
    ShapeClass(
        'box',
        215,
        _polygon(4, 1.25),
        lambda x, y: _wave(4.5 * x + 4.5 * y) * _wave(4.5 * x - 4.5 * y),
    ),
    ShapeClass('ring', 290, _disc, lambda x, y: _wave(6 * np.arctan2(y, x)), hole=RING_HOLE),
)


def _rounded_box(width: float, height: float) -> Callable[[Field], Field]:
    """An outline between a box of half so many units and an ellipse."""

    def outline(angle: Field) -> Field:
        x, y = np.abs(np.cos(angle)) / width, np.abs(np.sin(angle)) / height
        return (x**8 + y**8) ** (-1 / 8)

    return outline


def _bush(angle: Field) -> Field:
    return 1 + 0.08 * np.cos(7 * angle) + 0.05 * np.sin(3 * angle)


def _speckle(x: Field, y: Field) -> Field:
    """Irregular spots, in [0, 1]."""
    return _wave(5 * np.sin(2.3 * x + 1) * np.cos(3.1 * y) + 4 * np.sin(5 * y - 3 * x))


SCENERY_CLASSES = (
    ShapeClass('pillar', 0, _rounded_box(0.85, 1.45), _speckle),
    ShapeClass('wall', 0, _rounded_box(1.4, 0.85), _speckle),
    ShapeClass('bush', 0, _bush, _speckle),
)
"""Things without annotations, drawn in muted colours; they are no instances."""

"""The path of each identity, as a line that grows and fades."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np

from rocovis_mm.visualization.geometry import centroid, line_width
from rocovis_mm.visualization.palette import INK, identity_color


class Trails:
    """The centres of identities over the last frames.

    Its size is bounded. Points older than `length` frames are dropped, and so is an
    identity without points. Points are shares of the frame, so that frames may change
    their size.

    Args:
        length: of a trail, in frames.
    """

    def __init__(self, length: int = 32) -> None:
        if length < 1:
            raise ValueError(f'trails of {length} frames; choose a length of at least 1')
        self.length = length
        self.reset()

    def reset(self) -> None:
        """Forget all points before the next video."""
        self.frame = 0
        self.points: dict[int, deque[tuple[int, float, float]]] = {}

    def update(self, identities: Sequence[int], masks: np.ndarray) -> None:
        """Add the next frame.

        Args:
            identities: n whole numbers.
            masks: (n, H, W) bool; an identity with an empty mask is absent.
        """
        for identity, mask in zip(identities, masks):
            center = centroid(mask)
            if center is not None:
                trail = self.points.setdefault(int(identity), deque(maxlen=self.length + 1))
                trail.append((self.frame, *center))
        for identity, trail in list(self.points.items()):
            while trail and trail[0][0] < self.frame - self.length:
                trail.popleft()
            if not trail:
                del self.points[identity]
        self.frame += 1

    def draw(self, canvas: np.ndarray) -> None:
        """Draw all trails on an (H, W, 3) uint8 frame, RGB, in place.

        A line joins consecutive frames and has a gap where an identity was absent. It is as
        wide as contours at its end and thinner further back.
        """
        width = line_width(canvas)
        size = (canvas.shape[1], canvas.shape[0])
        for identity, trail in self.points.items():
            pixels = [tuple(int(s * n) for s, n in zip(point[1:], size)) for point in trail]
            steps = [n for n in range(1, len(trail)) if trail[n][0] == trail[n - 1][0] + 1]
            ages = [1 - (self.frame - 1 - trail[n][0]) / (self.length + 1) for n in steps]
            for color, extra in ((INK, 2), (identity_color(identity), 0)):
                for n, age in zip(steps, ages):
                    thick = max(2, round(width * age)) + extra
                    cv2.line(canvas, pixels[n - 1], pixels[n], color, thick, cv2.LINE_AA)
            if trail[-1][0] == self.frame - 1:
                cv2.circle(canvas, pixels[-1], width + 2, INK, -1, cv2.LINE_AA)
                cv2.circle(canvas, pixels[-1], width, identity_color(identity), -1, cv2.LINE_AA)

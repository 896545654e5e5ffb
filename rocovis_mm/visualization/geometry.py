"""Where masks are, and how wide lines over them are; H x W pixels."""

from __future__ import annotations

import cv2
import numpy as np

from rocovis_mm.formats.boxes import Box, bounding_box


def centroid(mask: np.ndarray) -> tuple[float, float] | None:
    """Return the mean place of an (H, W) bool mask as shares of width and height.

    None for an empty mask.
    """
    box = bounding_box(mask)
    if box is None:
        return None
    inside = np.ascontiguousarray(box.cut(mask)).view(np.uint8)
    moments = cv2.moments(inside, binaryImage=True)
    x, y = (moments[key] / moments['m00'] for key in ('m10', 'm01'))
    height, width = mask.shape
    return (box.left + x + 0.5) / width, (box.top + y + 0.5) / height


def meet(one: Box, other: Box) -> bool:
    """Whether two boxes overlap or touch."""
    beside = one.left <= other.right and other.left <= one.right
    return beside and one.top <= other.bottom and other.top <= one.bottom


def line_width(canvas: np.ndarray) -> int:
    """Return the width of lines that can be seen in a frame of this size, in pixels."""
    return max(2, round(min(canvas.shape[:2]) / 190))

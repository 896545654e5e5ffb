"""Boxes around masks; n masks of H x W pixels.

A box is (left, top, right, bottom) in pixels. Right and bottom are one past the last pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as mask_utils


class Box(NamedTuple):
    """Pixels of a frame, from the first to the one after the last."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Return the view of the box in an (H, W, ...) array."""
        return image[self.top : self.bottom, self.left : self.right]


def bounding_box(mask: np.ndarray) -> Box | None:
    """Return the box of an (H, W) bool mask, or None if it is empty."""
    rows = np.flatnonzero(mask.any(1))
    if not rows.size:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def boxes_of_masks(masks: Iterable[np.ndarray]) -> np.ndarray:
    """Return the boxes (n, 4) float32 of masks (n, H, W), bool or uint8, none of them empty."""
    boxes = [bounding_box(mask.view(bool)) for mask in masks]
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)


def boxes_of_codes(codes: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return the boxes (n, 4) float32 of compressed run lengths."""
    boxes = mask_utils.toBbox(codes).astype(np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]  # x, y, w, h -> left, top, right, bottom
    return boxes

"""Masks (H, W) as polygons around their parts. Polygons hold no holes."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as mask_utils


def outlines_of_pixels(mask: np.ndarray) -> list[np.ndarray]:
    """Return polygons (P, 2) of whole numbers through the outermost pixels of each part.

    `fill_pixels` draws a part without holes again exactly.
    """
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    polygons = [contour[:, 0].astype(np.float64) for contour in contours]
    return [np.concatenate([p, p, p])[:3] if len(p) < 3 else p for p in polygons]


def outlines_of_areas(mask: np.ndarray) -> list[np.ndarray]:
    """Return polygons (P, 2) around the areas of the pixels, where a pixel is from x to x + 1.

    pycocotools draws a part without holes again exactly. The polygons are a quarter of a pixel
    inside the edge.
    """
    finer = np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1)
    return [(polygon + 0.5) / 2 for polygon in outlines_of_pixels(finer)]


def fill_pixels(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the mask (H, W) bool of a polygon as labelme draws it, with its outline.

    labelme does so with Pillow (`labelme/utils/shape.py`, `shape_to_mask`).
    """
    image = Image.new('L', (width, height))
    points = [tuple(point) for point in np.asarray(polygon, np.float64).tolist()]
    ImageDraw.Draw(image).polygon(points, outline=1, fill=1)
    return np.asarray(image).astype(bool)


def fill_areas(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the mask (H, W) bool of a polygon as COCO's tools draw it."""
    code = mask_utils.frPyObjects([np.ravel(polygon).tolist()], height, width)[0]
    return mask_utils.decode(code).astype(bool)


class PolygonLoss:
    """Measures how well polygons cover the masks that they replace."""

    def __init__(self) -> None:
        self.total = self.changed = 0
        self.lowest, self.worst = 1.0, ''

    def add(self, mask: np.ndarray, drawn: np.ndarray, name: str) -> None:
        """Compare a mask with what its polygons cover; both (H, W) bool."""
        iou = np.count_nonzero(mask & drawn) / np.count_nonzero(mask | drawn)
        self.total += 1
        self.changed += iou < 1
        if iou < self.lowest:
            self.lowest, self.worst = iou, name

    def report(self, lines: list[str]) -> None:
        """Add a line about the loss."""
        text = f'{self.changed} of {self.total} masks differ from their polygons'
        if self.changed:
            text += f'; the lowest IoU is {self.lowest:.4f}, of {self.worst}'
        lines.append(text)

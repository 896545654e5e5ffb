"""A crop that moves during the clip, so that instances leave and enter."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes

from rocovis_mm.datasets.bitmaps import count_pixels, wrap_masks
from rocovis_mm.formats.boxes import boxes_of_masks
from rocovis_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PanCrop(BaseTransform):
    """Crop a clip by a window that moves in a straight line, like a panning camera.

    Short random clips rarely contain exits or entries, and this transform adds some. Instances
    keep their id and are absent in frames where they are outside the window. Its place in the
    pipeline is after the loading of frames, outside ``TransformBroadcaster``.

    Required and modified keys, lists of T: ``img``, ``img_shape``, ``gt_masks``,
    ``gt_bboxes``, ``gt_bboxes_labels``, ``gt_instances_ids``.

    Args:
        size_range: range of the window's height and width, as shares of the frame's.
        pan: largest movement of the window, as a share of its room; 0 crops all frames alike.
        prob: probability of cropping a clip.
        pixel_range: range of height and width in pixels, instead of `size_range`. The frame's
            side replaces a larger bound. The published recipes take (384, 600) (VITA,
            `vita/data/augmentation.py`, ``RandomCropClip`` with ``absolute_range``).
    """

    def __init__(
        self,
        size_range: tuple[float, float] = (0.6, 1.0),
        pan: float = 1.0,
        prob: float = 0.5,
        pixel_range: tuple[int, int] | None = None,
    ) -> None:
        low, high = size_range
        if not (0 < low <= high <= 1 and 0 <= pan <= 1 and 0 <= prob <= 1):
            raise ValueError(
                f'PanCrop: size_range={size_range}, pan={pan}, prob={prob}; sizes are in (0, 1], '
                'pan and prob in [0, 1]'
            )
        if pixel_range is not None and not 0 < pixel_range[0] <= pixel_range[1]:
            raise ValueError(
                f'PanCrop: pixel_range={pixel_range}; give the least and the largest side in pixels'
            )
        self.size_range = size_range
        self.pixel_range = pixel_range
        self.pan = pan
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crop every frame of the clip."""
        if np.random.rand() >= self.prob:
            return results
        shape = np.array(results['img'][0].shape[:2])
        size = self.draw_size(shape)
        corners = self.draw_corners(shape - size, len(results['img']))
        for t, (top, left) in enumerate(corners):
            crop_frame(results, t, top, left, *size)
        return results

    def draw_size(self, shape: np.ndarray) -> np.ndarray:
        """Draw the window's (height, width) in pixels for frames of a `shape`, (2,) int both."""
        if self.pixel_range is None:
            share = np.random.uniform(*self.size_range, 2)
            return np.maximum(1, np.round(shape * share)).astype(int)
        low, high = (np.minimum(shape, side) for side in self.pixel_range)
        return np.random.randint(low, high + 1)

    def draw_corners(self, room: np.ndarray, num_frames: int) -> np.ndarray:
        """Draw top and left of the window in each frame, (T, 2) int.

        Args:
            room: (2,) number of rows and columns that the window may move by.
            num_frames: T.
        """
        start, goal = np.random.uniform(0, 1, (2, 2))
        goal = start + self.pan * (goal - start)
        time = np.linspace(0, 1, num_frames)[:, None]
        return np.round((start + time * (goal - start)) * room).astype(int)


def crop_frame(
    results: dict[str, Any], t: int, top: int, left: int, height: int, width: int
) -> None:
    """Crop frame `t` of a clip in place, and remove instances outside the window."""
    results['img'][t] = results['img'][t][top : top + height, left : left + width]
    results['img_shape'][t] = (int(height), int(width))
    window = results['gt_masks'][t].masks[:, top : top + height, left : left + width]
    kept = np.flatnonzero(count_pixels(window))
    masks = np.ascontiguousarray(window[kept])
    results['gt_masks'][t] = wrap_masks(masks)
    results['gt_bboxes'][t] = HorizontalBoxes(torch.from_numpy(boxes_of_masks(masks)))
    for key in ('gt_bboxes_labels', 'gt_instances_ids'):
        results[key][t] = results[key][t][kept]

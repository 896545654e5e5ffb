"""Frames of any size for a model whose input has one size. H, W are height and width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from rocovis_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class FitInto(BaseTransform):
    """Resize a frame so that it fits into one size, and fill the rest of that size.

    With `keep_ratio`, the frame is as large as fits. The rest, on the right or below, has the
    colour `fill`. A frame whose scaled size is the whole size is equal to the result of
    MMDetection's ``Resize``.

    Required keys: ``img`` (H, W, 3) uint8.

    Modified keys: ``img``, of the size; ``img_shape``, (H, W) of the part that is the frame.

    Args:
        size: (height, width) of the result.
        keep_ratio: whether height and width are scaled by the same factor.
        fill: colour of the rest, in the order of the frame's channels.
        interpolation: of ``mmcv.imresize``.
        backend: of ``mmcv.imresize``.
    """

    def __init__(
        self,
        size: Sequence[int],
        keep_ratio: bool = True,
        fill: Sequence[int] = (0, 0, 0),
        interpolation: str = 'bilinear',
        backend: str = 'cv2',
    ) -> None:
        self.size = tuple(size)
        self.keep_ratio = keep_ratio
        self.fill = tuple(fill)
        self.options = dict(interpolation=interpolation, backend=backend)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace the frame."""
        image = results['img']
        given, (height, width) = image.shape[:2], self.scaled(image.shape[:2])
        if given != (height, width):
            image = mmcv.imresize(image, (width, height), **self.options)
        if (height, width) != self.size:
            whole = np.full((*self.size, 3), self.fill, image.dtype)
            whole[:height, :width] = image
            image = whole
        factors = (width / given[1], height / given[0])
        results.update(img=image, img_shape=(height, width), scale_factor=factors)
        return results

    def scaled(self, given: Sequence[int]) -> tuple[int, int]:
        """Return the (height, width) to which a frame of the size `given` is resized."""
        if not self.keep_ratio:
            return self.size
        factor = min(side / old for side, old in zip(self.size, given))
        # rounded as mmcv.imrescale rounds (mmcv 2.1.0, image/geometric.py, _scale_size)
        sides = (int(old * factor + 0.5) for old in given)
        height, width = (min(max(new, 1), side) for new, side in zip(sides, self.size))
        return height, width

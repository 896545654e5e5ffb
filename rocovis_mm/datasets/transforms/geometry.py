"""Geometric transforms that keep masks aligned with the image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmdet.datasets.transforms import Resize

from rocovis_mm.datasets.bitmaps import wrap_masks
from rocovis_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AlignedResize(Resize):
    """MMDetection's ``Resize`` with masks that stay aligned with the image.

    Upstream resizes masks by OpenCV's nearest neighbour (mmdet 3.3.0,
    ``structures/mask/structures.py:298``), which samples the corner of each pixel. The bilinear
    resize of the image samples its centre, so masks move by up to half a pixel. Here masks are
    interpolated like the image and thresholded at one half.
    """

    def _resize_masks(self, results: dict[str, Any]) -> None:
        """Resize ``gt_masks`` to the image's new shape."""
        masks = results.get('gt_masks')
        if masks is None:
            return
        height, width = results['img_shape']
        resized = np.empty((len(masks), height, width), dtype=np.uint8)
        for source, target in zip(masks.masks, resized):
            soft = cv2.resize(source * 255, (width, height), interpolation=cv2.INTER_LINEAR)
            np.greater_equal(soft, 128, out=target.view(bool))
        results['gt_masks'] = wrap_masks(resized)

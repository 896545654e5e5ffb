"""MMDetection's mask container without the copies that it makes.

``BitmapMasks`` copies its input, and copies again when it is indexed (mmdet 3.3.0,
``structures/mask/structures.py:265`` and ``:281``). For a clip at 720p this takes longer than
decoding its images. Letters: n instances · H, W height and width.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmdet.structures.mask import BitmapMasks


def wrap_masks(masks: np.ndarray) -> BitmapMasks:
    """Return a ``BitmapMasks`` that holds the array (n, H, W) itself, uint8 of 0 and 1."""
    wrapped = BitmapMasks([], *masks.shape[1:])
    wrapped.masks = masks
    return wrapped


class SharedMasks(BitmapMasks):
    """A ``BitmapMasks`` that leaves a worker process through shared memory.

    NumPy arrays go through a pipe and are copied four times; tensors are not.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the masks as a tensor."""
        return unpack_masks, (torch.from_numpy(self.masks),)


def share_masks(masks: BitmapMasks) -> SharedMasks:
    """Return the same masks, not copied, in a container for shared memory."""
    shared = SharedMasks([], masks.height, masks.width)
    shared.masks = np.ascontiguousarray(masks.masks)
    return shared


def unpack_masks(masks: torch.Tensor) -> SharedMasks:
    """Return the masks of a tensor (n, H, W)."""
    return share_masks(wrap_masks(masks.numpy()))


def take_masks(masks: BitmapMasks, kept: np.ndarray) -> BitmapMasks:
    """Return the masks of the ascending indices `kept`, without a copy if all are kept."""
    return masks if len(kept) == len(masks) else wrap_masks(masks.masks[kept])


def count_pixels(masks: np.ndarray) -> np.ndarray:
    """Return how many pixels each mask of (n, H, W) covers, (n,) int64."""
    return np.array([cv2.countNonZero(mask) for mask in masks], dtype=np.int64)

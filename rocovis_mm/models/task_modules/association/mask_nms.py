"""Suppression of masks that overlap a better one, and their intersection over union.

n masks, h x w their resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-6
"""Added to intersection and union, so that two empty masks have the IoU 1."""


def mask_ious(masks: Tensor) -> Tensor:
    """Return (n, n), (intersection + 1e-6) / (union + 1e-6) of each pair of masks.

    As CTVIS (ctvis/utils/utils.py, ``mask_nms``) and IDOL
    (projects/IDOL/idol/models/tracker.py, ``mask_nms``).

    Args:
        masks: (n, h, w) bool.
    """
    flat = masks.flatten(1).float()
    with torch.autocast(flat.device.type, enabled=False):
        intersections = flat @ flat.T  # whole numbers below 2^24 are exact
    areas = flat.sum(1)
    unions = areas[:, None] + areas - intersections
    return (intersections + EPSILON) / (unions + EPSILON)


def mask_nms(masks: Tensor, threshold: float) -> Tensor:
    """Return the indices of the masks that are kept, ascending.

    A mask is dropped if its IoU with a kept one before it is above the threshold. Classes do not
    count.

    Args:
        masks: (n, h, w) bool, best first.
        threshold: highest IoU of two masks that are both kept.
    """
    return suppress(mask_ious(masks) > threshold)


def suppress(overlap: Tensor) -> Tensor:
    """Return the indices that are kept, ascending: no two of them overlap.

    Args:
        overlap: (n, n) bool, best first.
    """
    kept: list[int] = []
    for row, others in enumerate(overlap.cpu()):
        if not others[kept].any():
            kept.append(row)
    return torch.tensor(kept, dtype=torch.long, device=overlap.device)

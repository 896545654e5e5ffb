"""Spatial identity: the queries of a frame, written onto the pixels they own (Eq. 2).

B clips, N queries, C channels, h x w any resolution, H x W a level's resolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

POOLINGS = ('bilinear_or_max', 'bilinear', 'max')
"""Ways to bring masks to the resolution of a level; see :func:`mask_probabilities`."""


def mask_probabilities(
    mask_logits: Tensor, keep: Tensor, size: tuple[int, int], pooling: str = 'max'
) -> Tensor:
    """Return mask probabilities at a level's resolution.

    With ``bilinear``, about half of a cell has to be covered. The cells have 0.9 of the area of the
    masks, but small masks leave none (on the hard generated data: 4 % of all masks at stride 8,
    9 % at stride 16). With ``max``, a cell belongs to each mask that covers any part of it. The
    cells then have 1.4 (stride 8) to 2.2 times (stride 16) the area of the masks.
    ``bilinear_or_max`` is ``bilinear``, and ``max`` for the masks that leave no cell otherwise.

    Args:
        mask_logits: (B, N, h, w).
        keep: (B, N), factor of each query's probability in [0, 1].
        size: (H, W).
        pooling: one of `POOLINGS`.

    Returns:
        (B, N, H, W) in [0, 1].
    """
    keep = keep[..., None, None]
    if pooling == 'max':
        return max_pool(mask_logits, size).sigmoid() * keep
    scaled = mask_logits.sigmoid() * keep
    resized = F.interpolate(scaled, size=size, mode='bilinear', align_corners=False)
    if pooling == 'bilinear':
        return resized
    lost = resized.amax((-2, -1), keepdim=True) <= 0.5
    return torch.where(lost, max_pool(scaled, size), resized)


def max_pool(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the maximum of (B, n, h, w) maps in each of H x W cells, `size` = (H, W)."""
    steps = [side // wanted for side, wanted in zip(maps.shape[-2:], size)]
    if all(side == step * n for side, step, n in zip(maps.shape[-2:], steps, size)):
        return F.max_pool2d(maps, steps)  # which exporters know
    return F.adaptive_max_pool2d(maps, size)


def spatial_identity(
    queries: Tensor, probabilities: Tensor, background: Tensor, soft_masks: bool = False
) -> Tensor:
    """Write each query's vector onto the pixels of its mask, `background` elsewhere (Eq. 2).

    ``Z = Q^T M`` with M binary; where no mask covers a pixel the vector B stands.
    The paper tests ``sum_c Z = 0``; coverage is tested here instead, for a sum of
    floats can be zero by accident. Overlapping masks add up. The gradient
    reaches Q and B through Z, never the threshold.

    Args:
        queries: (B, N, C), Q.
        probabilities: (B, N, H, W), masks as probabilities at the level's resolution.
        background: (C,), the learned vector B.
        soft_masks: keep M a probability and blend B by ``1 - max M`` (an ablation;
            the gradient then reaches the masks too).

    Returns:
        (B, C, H, W), Z'.
    """
    masks = probabilities if soft_masks else (probabilities > 0.5).to(queries.dtype)
    covered = masks.amax(dim=1, keepdim=True)  # (B, 1, H, W)
    identity = (queries.transpose(1, 2) @ masks.flatten(2)).unflatten(2, masks.shape[-2:])
    return identity + background[:, None, None] * (1 - covered)

"""Spatial identity: the queries of a frame, written onto the pixels they own (Eq. 2).

B clips, N queries, C channels, h x w any resolution, H x W a level's resolution.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def mask_probabilities(
    mask_logits: Tensor, keep: Tensor, size: tuple[int, int], pooling: str = 'max'
) -> Tensor:
    """Return mask probabilities at a level's resolution.

    A cell of a coarse level belongs to a mask that covers any part of it (``max``). Of small
    masks bilinear resizing leaves no cell: 12 to 16 % of all masks at stride 32.

    Args:
        mask_logits: (B, N, h, w).
        keep: (B, N), factor of each query's probability in [0, 1].
        size: (H, W).
        pooling: ``max`` or ``bilinear``.

    Returns:
        (B, N, H, W) in [0, 1].
    """
    if pooling == 'max':
        return max_pool(mask_logits, size).sigmoid() * keep[..., None, None]
    scaled = mask_logits.sigmoid() * keep[..., None, None]
    return F.interpolate(scaled, size=size, mode='bilinear', align_corners=False)


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

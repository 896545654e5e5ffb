"""Places, as a part of the features that masks are made of.

C channels, h x w the map.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class PlaceEncoding(nn.Module):
    """Adds to each pixel a learned linear map of its place.

    A mask is a product of a query's embedding and each pixel's features. In Mask2Former only the
    features' surroundings tell a pixel's place, so that likenesses at two places share a mask
    until the encoder has learned to tell them apart. With this encoding a product can be
    large around one place. The place is given by the sines and cosines of pi * 2^k * y and
    pi * 2^k * x, y and x from 0 to 1, k from 0 on.

    Args:
        channels: C.
        octaves: number of frequencies, k below it.
    """

    def __init__(self, channels: int, octaves: int) -> None:
        super().__init__()
        if octaves < 1:
            raise ValueError(f'PlaceEncoding octaves={octaves}: at least 1')
        self.octaves = octaves
        self.vertical = nn.Linear(2 * octaves, channels, bias=False)
        self.horizontal = nn.Linear(2 * octaves, channels, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (B, C, h, w) of (B, C, h, w)."""
        height, width = pixels.shape[-2:]
        rows = self.vertical(self.waves(height))  # (h, C)
        columns = self.horizontal(self.waves(width))  # (w, C)
        return pixels + (rows[:, None] + columns).permute(2, 0, 1).to(pixels.dtype)

    def waves(self, length: int) -> Tensor:
        """Return (length, 2 * octaves), sines and then cosines along one side."""
        weight = self.vertical.weight
        centres = (torch.arange(length, device=weight.device, dtype=weight.dtype) + 0.5) / length
        # factors are numbers: OpenVINO has no exp2, and a table would be copied to a GPU each time
        angles = torch.stack([centres * (math.pi * 2**k) for k in range(self.octaves)], dim=1)
        return torch.cat([angles.sin(), angles.cos()], dim=1)

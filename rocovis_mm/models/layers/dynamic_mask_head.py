"""Masks by convolutions whose weights an instance predicts (CondInst, Tian et al. 2020).

B frames, n instances, C channels, c mask features, P parameters of an instance, h x w the
resolution of the mask features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.models.layers.transformer.utils import MLP
from mmdet.models.utils.misc import aligned_bilinear
from mmengine.model import BaseModule
from torch import Tensor, nn

HIDDEN = 8
"""Channels between the dynamic convolutions."""
STRIDES = (8, 16, 32)
"""Of the maps that mask features are made of, in pixels of the input."""


def check_strides(strides: Sequence[int], num_levels: int) -> None:
    """Check that an encoder's first levels are the maps that mask features are made of.

    Args:
        strides: of the maps that the encoder reads, high to low resolution.
        num_levels: of the encoder; each level without a map has twice the stride of the one
            before.

    Raises:
        ValueError: the first levels have other strides, or there are fewer than three.
    """
    further = [strides[-1] * 2**k for k in range(1, num_levels - len(strides) + 1)]
    levels = (*strides, *further)[: len(STRIDES)]
    if levels != STRIDES:
        raise ValueError(
            f'masks are made of levels of strides {list(STRIDES)}, but the first levels have '
            f'strides {list(levels)}: the strides from 8 on of track_head.strides must be the '
            f'beginning of {list(STRIDES)}, and track_head.encoder.num_levels={num_levels} must '
            f'be at least {len(STRIDES)}. The maps are chosen by out_indices of the backbone'
        )


class MaskFeatureFusion(BaseModule):
    """Mask features of stride 8 from the encoder's maps of strides 8, 16 and 32.

    VNext, IDOL, models/segmentation_condInst.py (``MaskHeadSmallConv``).

    Args:
        channels: C of the maps; the features have C / 32 channels.
        init_cfg: as any MMEngine module.
    """

    def __init__(self, channels: int, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.out_channels = channels // 32
        self.low = nn.Conv2d(channels, channels, 3, padding=1)  # stride 32
        self.middle = nn.Conv2d(channels, channels, 3, padding=1)  # stride 16
        self.high = nn.Conv2d(channels, channels, 3, padding=1)  # stride 8
        self.reduce = nn.Conv2d(channels, channels // 4, 3, padding=1)
        self.project = nn.Conv2d(channels // 4, self.out_channels, 3, padding=1)

    def init_weights(self) -> None:
        """Draw weights as the published code does."""
        super().init_weights()
        for layer in self.children():
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return (B, c, h, w) from three maps (B, C, h_i, w_i), high to low resolution."""
        return self.features(self.fuse(maps))

    def fuse(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the sum (B, C, h, w) of the maps at the highest resolution."""
        high, middle, low = maps
        x = self.low(low).relu()
        x = middle + F.interpolate(x, middle.shape[-2:])
        x = self.middle(x).relu()
        return high + F.interpolate(x, high.shape[-2:])

    def features(self, fused: Tensor) -> Tensor:
        """Return (B, c, h, w) from the sum (B, C, h, w)."""
        x = self.high(fused).relu()
        return self.project(self.reduce(x).relu()).relu()


class Controller(MLP):
    """Predicts the parameters of an instance's convolutions from its query.

    They multiply coordinates in pixels, so they are never in half precision under autocast.

    Args:
        channels: C.
        num_params: P.
    """

    def __init__(self, channels: int, num_params: int) -> None:
        super().__init__(channels, channels, num_params, 3)

    def forward(self, queries: Tensor) -> Tensor:
        """Return (..., P) from (..., C)."""
        with torch.autocast(queries.device.type, enabled=False):
            return super().forward(queries.to(self.layers[0].weight))


class DynamicMaskHead(nn.Module):
    """Three 1x1 convolutions per instance, over mask features and maps of its own.

    It has no weights: an instance brings its own, weights of all layers first, then biases. The
    maps of an instance come before the features that all share.

    Args:
        channels: c.
        stride: of the mask features in pixels of the input.
        upsampling: factor of the logits' resolution to that of the features.
        own: maps of an instance, of which the first two are its relative coordinates.
    """

    def __init__(self, channels: int, stride: int = 8, upsampling: int = 2, own: int = 2) -> None:
        super().__init__()
        self.stride = stride
        self.upsampling = upsampling
        inputs = (channels + own, HIDDEN, HIDDEN)
        outputs = (HIDDEN, HIDDEN, 1)
        self.shapes = tuple(zip(outputs, inputs))
        self.parts = [o * i for o, i in self.shapes] + list(outputs)

    @property
    def num_params(self) -> int:
        """P, parameters of an instance."""
        return sum(self.parts)

    def forward(self, features: Tensor, params: Tensor, points: Tensor) -> Tensor:
        """Return the mask logits (B, n, 2 h, 2 w) of instances.

        Args:
            features: (B, c, h, w).
            params: (B, n, P).
            points: (B, n, 2), the (x, y) that coordinates are relative to, in pixels of the
                input.
        """
        relative = self.relative_coordinates(points, *features.shape[-2:])
        return self.upsample(self.convolve(params, relative, features))

    def convolve(self, params: Tensor, own: Tensor, features: Tensor | None = None) -> Tensor:
        """Return logits (B, n, h, w) at the resolution of the maps, never in half precision.

        Coordinates are pixels, whose products half precision neither holds nor tells apart.

        Args:
            params: (B, n, P).
            own: (B, n, k, h, w), the maps of each instance.
            features: (B, c, h, w), the maps that all share; None for none.
        """
        with torch.autocast(own.device.type, enabled=False):
            features = None if features is None else features.float()
            return self._convolve(params.float(), own.float(), features)

    def _convolve(self, params: Tensor, own: Tensor, features: Tensor | None) -> Tensor:
        batch, number, maps, *size = own.shape
        pieces = params.split(self.parts, dim=-1)
        weights = [w.unflatten(-1, shape) for w, shape in zip(pieces, self.shapes)]
        biases = [b[..., None] for b in pieces[len(self.shapes) :]]  # (B, n, o, 1)
        x = weights[0][..., :maps] @ own.flatten(3) + biases[0]
        if features is not None:
            shared = weights[0][..., maps:].flatten(1, 2) @ features.flatten(2)
            x = shared.unflatten(1, (number, HIDDEN)) + x
        for weight, bias in zip(weights[1:], biases[1:]):
            x = weight @ x.relu() + bias
        return x.reshape(batch, number, *size)

    def upsample(self, logits: Tensor) -> Tensor:
        """Return logits (B, n, h, w) at the higher resolution; there may be no instance."""
        batch, number, *size = logits.shape
        logits = aligned_bilinear(logits.reshape(batch * number, 1, *size), self.upsampling)
        return logits.view(batch, number, *(self.upsampling * side for side in size))

    def relative_coordinates(self, points: Tensor, height: int, width: int) -> Tensor:
        """Return (B, n, 2, height, width), points minus the centres of cells, in pixels."""
        x, y = (
            torch.arange(size, device=points.device) * self.stride + self.stride // 2
            for size in (width, height)
        )
        centres = torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)])
        return points[..., None, None] - centres.to(points.dtype)

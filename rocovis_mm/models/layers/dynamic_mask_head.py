"""Masks by convolutions whose weights an instance predicts (CondInst, Tian et al. 2020).

B frames, n instances, C channels, c mask features, P parameters of an instance, h x w the
resolution of the mask features.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.models.utils.misc import aligned_bilinear
from mmengine.model import BaseModule
from torch import Tensor, nn

HIDDEN = 8
"""Channels between the dynamic convolutions."""


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
        high, middle, low = maps
        x = self.low(low).relu()
        x = middle + F.interpolate(x, middle.shape[-2:])
        x = self.middle(x).relu()
        x = high + F.interpolate(x, high.shape[-2:])
        x = self.high(x).relu()
        return self.project(self.reduce(x).relu()).relu()


class DynamicMaskHead(nn.Module):
    """Three 1x1 convolutions per instance, over mask features and relative coordinates.

    It has no weights: an instance brings its own, weights of all layers first, then biases.

    Args:
        channels: c.
        stride: of the mask features in pixels of the input.
        upsampling: factor of the logits' resolution to that of the features.
    """

    def __init__(self, channels: int, stride: int = 8, upsampling: int = 2) -> None:
        super().__init__()
        self.stride = stride
        self.upsampling = upsampling
        inputs = (channels + 2, HIDDEN, HIDDEN)
        outputs = (HIDDEN, HIDDEN, 1)
        self.shapes = tuple(zip(outputs, inputs))
        self.parts = [o * i for o, i in self.shapes] + list(outputs)

    @property
    def num_params(self) -> int:
        """P, parameters of an instance."""
        return sum(self.parts)

    def forward(self, features: Tensor, params: Tensor, points: Tensor) -> Tensor:
        """Return the mask logits (B, n, 2 h, 2 w) of instances, never in half precision.

        Coordinates are pixels, whose products half precision neither holds nor tells apart.

        Args:
            features: (B, c, h, w).
            params: (B, n, P).
            points: (B, n, 2), the (x, y) that coordinates are relative to, in pixels of the
                input.
        """
        with torch.autocast(features.device.type, enabled=False):
            return self.convolve(features.float(), params.float(), points.float())

    def convolve(self, features: Tensor, params: Tensor, points: Tensor) -> Tensor:
        """Return what :meth:`forward` does, in the precision of its arguments."""
        batch, number = params.shape[:2]
        height, width = features.shape[-2:]
        pieces = params.split(self.parts, dim=-1)
        weights = [w.unflatten(-1, shape) for w, shape in zip(pieces, self.shapes)]
        biases = [b[..., None] for b in pieces[len(self.shapes) :]]  # (B, n, o, 1)
        relative = self.relative_coordinates(points, height, width)  # (B, n, 2, h * w)
        shared = weights[0][..., 2:].flatten(1, 2) @ features.flatten(2)  # (B, n * o, h * w)
        x = shared.unflatten(1, (number, HIDDEN)) + weights[0][..., :2] @ relative + biases[0]
        for weight, bias in zip(weights[1:], biases[1:]):
            x = weight @ x.relu() + bias
        logits = x.reshape(batch * number, 1, height, width)  # there may be no instance
        return aligned_bilinear(logits, self.upsampling).view(
            batch, number, height * self.upsampling, width * self.upsampling
        )

    def relative_coordinates(self, points: Tensor, height: int, width: int) -> Tensor:
        """Return (B, n, 2, h * w), points minus the centres of cells, in pixels."""
        x, y = (
            torch.arange(size, device=points.device) * self.stride + self.stride // 2
            for size in (width, height)
        )
        centres = torch.stack([x.repeat(height), y.repeat_interleave(width)]).to(points.dtype)
        return points[..., None] - centres

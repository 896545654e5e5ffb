"""Normalised, padded clips.

Letters: B clips · T frames · H, W height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.registry import MODELS


@MODELS.register_module()
class VISDataPreprocessor(BaseDataPreprocessor):
    """Bring clips to the device, to RGB, to zero mean and unit deviation, and pad them.

    In training all clips of a batch are padded (right and below, with zeros after
    normalising) to one size, their ground-truth masks with them. In testing each clip
    is padded to the divisor alone: padding is seen by the model's layers, and a
    video's result must not depend on its neighbours in a batch.

    Args:
        mean: per channel, RGB, 0..255.
        std: per channel, RGB, 0..255.
        pad_size_divisor: padded heights and widths are multiples of it.
        bgr_to_rgb: whether images come as BGR.
        channels_last: whether the memory layout of frames is (T, H, W, 3), which makes the
            convolutions of a CPU faster (9 % of a tiny model's iteration).
        non_blocking: whether copies to the device need not be waited for.
    """

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        pad_size_divisor: int = 32,
        bgr_to_rgb: bool = True,
        channels_last: bool = False,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        self.pad_size_divisor = pad_size_divisor
        self.bgr_to_rgb = bgr_to_rgb
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Prepare a collated batch.

        Args:
            data: ``inputs['img']``: B uint8 tensors (T, 3, H, W), H and W their own;
                ``data_samples``: B ``TrackDataSample`` or None.
            training: whether clips are padded to a common size and stacked.

        Returns:
            The same keys; ``inputs['img']`` is float (B, T, 3, H, W) in training, a
            list of B tensors (T, 3, H, W) in testing. Each frame's metainfo gets
            ``batch_input_shape`` (H, W).
        """
        data = self.cast_data(data)
        clips = [self.normalise(clip) for clip in data['inputs']['img']]
        samples = data.get('data_samples')
        shapes = [self.padded_shape(clip.shape[-2:]) for clip in clips]
        if training:
            shapes = [tuple(max(sides) for sides in zip(*shapes))] * len(shapes)
        clips = [pad_to(clip, shape) for clip, shape in zip(clips, shapes)]
        for sample, shape in zip(samples or [], shapes):
            note_shape(sample, shape, pad_masks=training)
        images = torch.cat(clips).unflatten(0, (len(clips), -1)) if training else clips
        return dict(inputs=dict(data['inputs'], img=images), data_samples=samples)

    def normalise(self, clip: Tensor) -> Tensor:
        """Turn a uint8 clip (T, 3, H, W) into normalised RGB floats."""
        if self.bgr_to_rgb:
            clip = clip.flip(1)
        clip = clip.to(torch.float32, copy=True, memory_format=self.memory_format)
        return clip.sub_(self.mean).div_(self.std)

    def padded_shape(self, shape: Sequence[int]) -> tuple[int, int]:
        """Round height and width up to the divisor."""
        divisor = self.pad_size_divisor
        height, width = (-(-side // divisor) * divisor for side in shape)
        return height, width


def pad_to(clip: Tensor, shape: Sequence[int]) -> Tensor:
    """Pad (T, 3, H, W) with zeros on the right and below to `shape` (height, width)."""
    height, width = clip.shape[-2:]
    return F.pad(clip, (0, shape[1] - width, 0, shape[0] - height))


def note_shape(sample: TrackDataSample, shape: tuple[int, int], pad_masks: bool) -> None:
    """Write ``batch_input_shape`` into each frame; pad its ground-truth masks if asked to."""
    for frame in sample.video_data_samples:
        frame.set_metainfo(dict(batch_input_shape=shape))
        if pad_masks and 'gt_instances' in frame:
            frame.gt_instances.masks = frame.gt_instances.masks.pad(shape, pad_val=0)

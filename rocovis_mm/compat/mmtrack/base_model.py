"""The base class of video models where MMTracking is the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmtrack.models.mot import BaseMultiObjectTracker
from mmtrack.structures import TrackDataSample
from torch import Tensor

from rocovis_mm.compat.mmtrack.samples import hand_back, to_clip


class BaseMOTModel(BaseMultiObjectTracker):
    """A model of ours that takes MMTracking's data samples as well as our own.

    The parameters and everything else are the same under both hosts.
    """

    def forward(
        self,
        inputs: dict[str, Tensor],
        data_samples: Sequence[Any] | None = None,
        mode: str = 'predict',
        **kwargs: Any,
    ) -> Any:
        """Run a mode of the model; MMTracking's data samples come back as such.

        Args:
            inputs: ``img``: (B, T, 3, H, W); T is 1 in testing.
            data_samples: B samples of MMTracking, or of ours.
            mode: 'loss', 'predict' or 'tensor'.
            **kwargs: of that mode.
        """
        if not data_samples or not isinstance(data_samples[0], TrackDataSample):
            return super().forward(inputs, data_samples, mode, **kwargs)
        pairs = [to_clip(sample, len(clip)) for sample, clip in zip(data_samples, inputs['img'])]
        clips = [clip for clip, _ in pairs]
        images = torch.stack([image[order] for image, (_, order) in zip(inputs['img'], pairs)])
        result = super().forward(dict(inputs, img=images), clips, mode, **kwargs)
        if mode != 'predict':
            return result
        for clip, sample in zip(clips, data_samples):
            hand_back(clip, sample)
        return list(data_samples)

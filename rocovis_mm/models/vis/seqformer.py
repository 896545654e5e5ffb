"""SeqFormer: sequential transformer for video instance segmentation (Wu et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.layers.deformable_detr import EncodedFrames, padding_mask
from rocovis_mm.models.vis.offline import OfflineVISModel
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import ClipPrediction


@MODELS.register_module()
class SeqFormer(OfflineVISModel):
    """Deformable DETR over a whole video, with one query per instance.

    The arguments are those of :class:`OfflineVISModel`; ``track_head`` is a
    :class:`SeqFormerHead`.
    """

    def loss(
        self, inputs: dict[str, Tensor], data_samples: Sequence[TrackDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of B clips with ``gt_instances``; ``img`` is (B, T, 3, H, W)."""
        images, targets = self.clips_to_learn(inputs['img'], data_samples)
        sizes = unpadded_sizes(data_samples, images)
        features = self.extract_features(images.flatten(0, 1))
        padding = [size for size in sizes for _ in range(images.shape[1])]
        mask = padding_mask(padding, images.shape[-2:]).to(images.device)
        frames = self.track_head.encode(features, mask)
        return self.track_head.loss(frames, features, sizes, targets)

    def predict_clip(self, images: Tensor, size: tuple[int, int]) -> ClipPrediction:
        """Predict the best queries of a clip; see :meth:`OfflineVISModel.predict_clip`."""
        frames, pixels = self.encode(images, size)
        decoded = self.track_head.decode(frames, len(images))
        scores = decoded.class_logits[-1][0].sigmoid()
        queries = self.track_rule.choose_queries(scores)
        masks = self.track_head.masks(decoded, pixels, 0, queries, size)
        return ClipPrediction(queries, scores[queries], masks)

    def encode(
        self, images: Tensor, size: tuple[int, int]
    ) -> tuple[EncodedFrames, tuple[Tensor, ...]]:
        """Encode frames, a few at a time, and return them with their pixel features.

        Args:
            images: (T, 3, H, W), normalised and padded.
            size: (height, width) without padding.
        """
        parts, pixels = [], []
        for some in images.split(self.frames_at_once):
            features = self.extract_features(some)
            mask = padding_mask([size] * len(some), some.shape[-2:]).to(some.device)
            parts.append(self.track_head.encode(features, mask))
            pixels.append(self.track_head.pixel_features(parts[-1], features))
        return join(parts), tuple(torch.cat(maps) for maps in zip(*pixels))


def join(parts: Sequence[EncodedFrames]) -> EncodedFrames:
    """Return the frames of several parts of one size, in order."""
    values = {
        field.name: [getattr(part, field.name) for part in parts] for field in fields(parts[0])
    }
    return EncodedFrames(
        **{name: torch.cat(x) if isinstance(x[0], Tensor) else x[0] for name, x in values.items()}
    )


def unpadded_sizes(samples: Sequence[TrackDataSample], images: Tensor) -> list[tuple[float, float]]:
    """Return the (height, width) of the clips of a training batch without padding.

    Args:
        samples: the clips as they were loaded.
        images: (B', T', 3, H', W'), as the training stage looks at them: scaled, and each frame
            perhaps a clip of its own.
    """
    sizes = []
    for sample in samples:
        first = sample.video_data_samples[0]
        scales = [side / whole for side, whole in zip(images.shape[-2:], first.batch_input_shape)]
        size = tuple(round(side * scale) for side, scale in zip(first.img_shape, scales))
        sizes += [size] * (len(images) // len(samples))
    return sizes

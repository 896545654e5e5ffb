"""IDOL: in defense of online models for video instance segmentation (Wu et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.vis.feature_maps import STRIDES
from rocovis_mm.models.vis.frame_by_frame import FrameByFrameModel
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import FramePrediction, StreamState


@MODELS.register_module()
class IDOL(FrameByFrameModel):
    """Deformable DETR with dynamic masks on every frame; embeddings link its queries.

    As published, a track's class probabilities are the means of its sigmoid probabilities over
    the frames in which it is present, and every pair of a track and a class above 0.05 is a
    result.

    Args:
        associator: config of :class:`IDOLAssociator`.
        **kwargs: arguments of :class:`FrameByFrameModel`; ``track_head`` is an
            :class:`IDOLHead`.
    """

    reads_sizes = True  # so that padding is masked; see StreamModel

    def __init__(self, *, associator: dict, **kwargs) -> None:  # noqa: ANN003
        super().__init__(associator=associator, **kwargs)

    def loss(
        self, inputs: dict[str, Tensor], data_samples: Sequence[TrackDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of B pairs with ``gt_instances``; ``img`` is (B, 2, 3, H, W)."""
        images, targets = self.clips_to_learn(inputs['img'], data_samples)
        before, padded = inputs['img'].shape[-2:], tuple(images.shape[-2:])
        sizes = [
            tuple(round(side * new / old) for side, new, old in zip(f.img_shape, padded, before))
            for sample in data_samples
            for f in sample.video_data_samples
        ]
        features = self.extract_features(images.flatten(0, 1))
        return self.track_head.loss(features, targets, sizes, padded)

    def step(
        self,
        images: Tensor,
        state: StreamState,
        sizes: Sequence[tuple[int, int]] | None = None,
    ) -> tuple[FramePrediction, StreamState]:
        """Predict one frame of B streams and link its queries to their tracks.

        Args:
            images: (B, 3, H, W), normalised; padded here where H or W is no multiple of 32.
            state: their past; ``StreamState()`` before the first frame.
            sizes: B unpadded (height, width); None: all of `images` counts.
        """
        size = tuple(images.shape[-2:])
        height, width = (-side % STRIDES[-1] for side in size)
        images = F.pad(images, (0, width, 0, height))
        prediction, candidates = self.track_head.decode(
            self.extract_features(images),
            sizes or [size] * len(images),
            tuple(images.shape[-2:]),
            self.associator.candidates,
        )
        return self.associator(prediction, candidates, state)

"""GenVIS, online: a generalised framework for video instance segmentation (Heo et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.vis.frozen_detector import FrozenDetectorModel
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import FramePrediction, StreamState


@MODELS.register_module()
class GenVIS(FrozenDetectorModel):
    """Mask2Former on every frame; objects are decoded from its queries and their past.

    As published, a track's score is the maximum over its frames times the mean
    pixel probability inside its masks (``track_rule`` ``reduce='max'``,
    ``mask_scoring=True``).

    The arguments are those of :class:`FrozenDetectorModel`; ``track_head`` is a
    :class:`GenVISHead`. As published, the detector is frozen (``freeze_detector=True``), and only
    the object decoder learns.
    """

    def loss(
        self, inputs: dict[str, Tensor], data_samples: Sequence[TrackDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of B clips with ``gt_instances``; ``img`` is (B, T, 3, H, W)."""
        images, targets = self.clips_to_learn(inputs['img'], data_samples)
        features = self.extract_features(images.flatten(0, 1))
        features = [x.unflatten(0, images.shape[:2]) for x in features]
        return self.track_head.loss(features, targets, learn_frames=not self.freeze_detector)

    def step(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame of B streams; see :meth:`OnlineVISModel.step`."""
        prediction = self.track_head.decode(self.extract_features(images), state)
        return prediction, self.track_head.advance(state, prediction.queries)

    def first_queries(self) -> Tensor:
        """Return the learned queries (N, C)."""
        return self.track_head.object_decoder.query_feat.weight

"""RoCoVIS: robust and consistent online video instance segmentation."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.tracking_heads.rocovis_head import foreground
from rocovis_mm.models.vis.base import OnlineVISModel
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import FramePrediction, StreamState


@MODELS.register_module()
class RoCoVIS(OnlineVISModel):
    """Backbone, head and the two calls that make a stream.

    Args:
        scale_output: scale the pixel probabilities of the masks that are output by
            1 - p(no object) (the paper, "Inference"). ``track_head.scale_memory`` is the
            same for the masks that are propagated.
        **kwargs: arguments of :class:`OnlineVISModel`; ``track_head`` is a
            :class:`RoCoVISHead`.
    """

    def __init__(self, *, scale_output: bool = True, **kwargs) -> None:  # noqa: ANN003
        super().__init__(**kwargs)
        self.scale_output = scale_output

    def loss(
        self, inputs: dict[str, Tensor], data_samples: Sequence[TrackDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of B clips with ``gt_instances``; ``img`` is (B, T, 3, H, W)."""
        images, targets = self.clips_to_learn(inputs['img'], data_samples)
        features = self.extract_features(images.flatten(0, 1))
        return self.track_head.loss([x.unflatten(0, images.shape[:2]) for x in features], targets)

    def step(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame of B streams; see :meth:`OnlineVISModel.step`."""
        prediction = self.track_head.decode(self.extract_features(images), state, 'last')
        return prediction, self.track_head.advance(state, prediction)

    def foreground(self, class_logits: Tensor) -> Tensor:
        """Return 1 - p(no object), (B, N), or ones where scaling is switched off."""
        return foreground(class_logits) if self.scale_output else super().foreground(class_logits)

    def first_queries(self) -> Tensor:
        """Return the learned queries (N, C)."""
        return self.track_head.query_decoder.query_feat.weight

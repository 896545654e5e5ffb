"""MinVIS: a minimal VIS method without video-based training (Huang et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.vis.frame_by_frame import FrameByFrameModel
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import FramePrediction, StreamState


@MODELS.register_module()
class MinVIS(FrameByFrameModel):
    """Mask2Former on every frame by itself; its queries are matched from frame to frame.

    The arguments are those of :class:`FrameByFrameModel`; ``track_head`` is a
    :class:`MinVISHead`. With an ``associator``, a memory links the queries instead. As
    published, a track's class is decided by the mean of its logits
    (``track_rule.reduce='mean_logits'``).
    """

    def loss(
        self, inputs: dict[str, Tensor], data_samples: Sequence[TrackDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of the single frames of B clips; ``img`` is (B, T, 3, H, W)."""
        images, targets = self.clips_to_learn(inputs['img'], data_samples)
        frames = [frame for target in targets for frame in target.frames()]
        return self.track_head.loss(self.extract_features(images.flatten(0, 1)), frames)

    def step(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame of B streams; see :meth:`OnlineVISModel.step`."""
        return self.conclude(self.network(images, state), state)

    def network(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame by itself; the matching comes in :meth:`conclude`."""
        prediction = self.track_head.look(self.extract_features(images))
        return prediction, StreamState(prediction.queries)

    def conclude(
        self, outcome: tuple[FramePrediction, StreamState], state: StreamState
    ) -> tuple[FramePrediction, StreamState]:
        """Put the queries into the slots of the frame before, or link them by a memory."""
        if self.associator is not None:
            return self.associator(outcome[0], state)
        prediction = self.track_head.follow(outcome[0], state)
        return prediction, StreamState(prediction.queries)

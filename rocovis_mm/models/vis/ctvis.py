"""CTVIS: consistent training for online video instance segmentation (Ying et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.vis.frame_by_frame import FrameByFrameModel
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import FramePrediction, StreamState


@MODELS.register_module()
class CTVIS(FrameByFrameModel):
    """Mask2Former on every frame by itself; embeddings link its queries through a memory.

    As published, a track's class is decided by the mean of its logits over the frames in which
    it is present, and its score is multiplied by the mean pixel probability inside its masks at
    the frames' own resolution (``track_rule`` ``reduce='mean_logits'``, ``mask_scoring=True``,
    ``scoring_size='frame'``).

    Args:
        associator: config of :class:`BankAssociator`.
        **kwargs: arguments of :class:`FrameByFrameModel`; ``track_head`` is a
            :class:`CTVISHead`.
    """

    def __init__(self, *, associator: dict, **kwargs) -> None:  # noqa: ANN003
        super().__init__(associator=associator, **kwargs)

    def loss(
        self, inputs: dict[str, Tensor], data_samples: Sequence[TrackDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of B clips with ``gt_instances``; ``img`` is (B, T, 3, H, W)."""
        images, targets = self.clips_to_learn(inputs['img'], data_samples)
        return self.track_head.loss(self.extract_features(images.flatten(0, 1)), targets)

    def step(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame of B streams; see :meth:`OnlineVISModel.step`."""
        return self.conclude(self.network(images, state), state)

    def network(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame by itself; the association comes in :meth:`conclude`."""
        prediction = self.track_head.decode(self.extract_features(images))
        return prediction, StreamState(prediction.queries)

    def conclude(
        self, outcome: tuple[FramePrediction, StreamState], state: StreamState
    ) -> tuple[FramePrediction, StreamState]:
        """Link the queries to tracks."""
        return self.associator(outcome[0], state)

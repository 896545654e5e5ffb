"""DVIS, online: decoupling strategies for video instance segmentation (Zhang et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.vis.frozen_detector import FrozenDetectorModel
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import Detection, FramePrediction, StreamState


@MODELS.register_module()
class DVIS(FrozenDetectorModel):
    """Mask2Former on every frame by itself; a tracker decodes its queries into tracks.

    As published, a track's class is decided by the mean of its logits
    (``track_rule.reduce='mean_logits'``), and the detector is frozen and starts from a trained
    MinVIS (``freeze_detector=True``). With ``freeze_detector=False`` the detector also learns, by
    Mask2Former's own loss and through the tracker.

    Args:
        freeze_detector: keep the detector as it is loaded, as published.
        **kwargs: arguments of :class:`OnlineVISModel`; ``track_head`` is a :class:`DVISHead`.

    Attributes:
        match_detections: match instances with the detector's predictions, see
            :meth:`DVISHead.loss`; ``DetectionMatchingHook`` sets it.
    """

    def __init__(self, *, freeze_detector: bool = True, **kwargs) -> None:  # noqa: ANN003
        super().__init__(freeze_detector=freeze_detector, **kwargs)
        self.match_detections = False

    def loss(
        self, inputs: dict[str, Tensor], data_samples: Sequence[TrackDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of B clips with ``gt_instances``; ``img`` is (B, T, 3, H, W)."""
        images, targets = self.clips_to_learn(inputs['img'], data_samples)
        features = self.extract_features(images.flatten(0, 1))
        features = [x.unflatten(0, images.shape[:2]) for x in features]
        return self.track_head.loss(
            features,
            targets,
            learn_frames=not self.freeze_detector,
            match_detections=self.match_detections,
        )

    def step(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame of B streams; see :meth:`OnlineVISModel.step`."""
        return self.conclude(self.network(images, state), state)

    def network(self, images: Tensor, state: StreamState) -> tuple[Detection, StreamState]:
        """Detect one frame by itself; the tracker comes in :meth:`conclude`."""
        features = self.extract_features(images)
        return self.track_head.detect(features, predict='none'), StreamState()

    def conclude(
        self, outcome: tuple[Detection, StreamState], state: StreamState
    ) -> tuple[FramePrediction, StreamState]:
        """Match the queries with those of the frame before, and decode them into tracks."""
        return self.track_head.track(outcome[0], state)

"""VidEoMT: your ViT is secretly also a video segmentation model (Norouzi et al., CVPR 2026)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.vis.base import OnlineVISModel
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import FramePrediction, StreamState


@MODELS.register_module()
class VidEoMT(OnlineVISModel):
    """Published weights of VidEoMT as a model of streams. It is not trained here.

    A slot is an identity. As published, a track's class is decided by the mean of its logits
    (``track_rule.reduce='mean_logits'``; tue-mps/videomt @ 5d3f0a4, videomt/videomt.py,
    ``videomt_online.post_processing`` and ``inference_video_vis``).

    Args:
        track_head: config of :class:`VidEoMTHead`.
        **kwargs: further arguments of :class:`OnlineVISModel`.
    """

    def __init__(self, *, track_head: dict, **kwargs) -> None:  # noqa: ANN003
        super().__init__(backbone=None, track_head=track_head, **kwargs)
        self.is_init = track_head.get('weights') is not None
        if self.track_head.class_names is not None:
            self.dataset_meta = dict(classes=self.track_head.class_names)

    def loss(
        self, inputs: dict[str, Tensor], data_samples: Sequence[TrackDataSample]
    ) -> dict[str, Tensor]:
        """Raise NotImplementedError: neither transformers nor this library trains VidEoMT."""
        raise NotImplementedError(
            'VidEoMT is not trained here; train it with github.com/tue-mps/videomt and convert '
            'the weights with transformers'
        )

    def step(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame of B streams; see :meth:`OnlineVISModel.step`."""
        prediction = self.track_head.decode(images, state)
        return prediction, self.track_head.advance(prediction)

    def first_queries(self) -> Tensor:
        """Return the learned queries (N, C)."""
        return self.track_head.first_queries()

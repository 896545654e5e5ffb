"""RoCoVIS: robust and consistent online video instance segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.structures import TrackDataSample
from torch import Tensor

from rocovis_mm.models.vis.base import OnlineVISModel
from rocovis_mm.models.vis.mask2former_checkpoint import Mask2FormerStart
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import FramePrediction, StreamState


@MODELS.register_module()
class RoCoVIS(OnlineVISModel):
    """Backbone, head and the two calls that make a stream.

    Args:
        backbone: config of any MM backbone whose maps the head's ``in_channels`` name.
        track_head: config of :class:`RoCoVISHead`.
        neck: config of a neck, or None.
        foreground_scaling: scale pixel probabilities by 1 - p(no object) at test
            time (the paper, "Inference").
        data_preprocessor: config of ``rocovis_mm.VISDataPreprocessor``.
        track_rule: fields of ``TrackRule``: how frames become tracks.
        clip_augment: see :class:`OnlineVISModel`.
        init_cfg: as any MMEngine model.
    """

    def __init__(
        self,
        backbone: dict,
        track_head: dict,
        neck: dict | None = None,
        foreground_scaling: bool = True,
        data_preprocessor: dict | None = None,
        track_rule: dict | None = None,
        clip_augment: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(backbone, neck, data_preprocessor, track_rule, clip_augment, init_cfg)
        self.track_head = MODELS.build(track_head)
        self.num_queries = self.track_head.num_queries
        self.num_classes = self.track_head.num_classes
        self.foreground_scaling = foreground_scaling
        # public only from torch 2.5 on
        self._register_load_state_dict_pre_hook(Mask2FormerStart(), with_module=True)

    def loss(
        self, inputs: dict[str, Tensor], data_samples: Sequence[TrackDataSample]
    ) -> dict[str, Tensor]:
        """Return the losses of a batch of clips.

        Args:
            inputs: ``img``: (B, T, 3, H, W).
            data_samples: B clips of T frames with ``gt_instances``.
        """
        images, targets = self.clips_to_learn(inputs['img'], data_samples)
        features = self.extract_features(images.flatten(0, 1))
        return self.track_head.loss([x.unflatten(0, images.shape[:2]) for x in features], targets)

    def step(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame of B streams; see :meth:`OnlineVISModel.step`."""
        prediction = self.track_head.decode(self.extract_features(images), state)
        keep = self.foreground(prediction.class_logits[-1])
        return prediction, self.track_head.advance(state, prediction, keep)

    def foreground(self, class_logits: Tensor) -> Tensor:
        """Return 1 - p(no object), (B, N), or ones where scaling is switched off."""
        if not self.foreground_scaling:
            return torch.ones_like(class_logits[..., 0])
        return 1 - class_logits.softmax(-1)[..., -1]

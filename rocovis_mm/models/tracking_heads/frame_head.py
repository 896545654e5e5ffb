"""The part of every head for one frame: features to queries, classes and masks, and its loss.

B frames or clips, N queries, C channels, K classes, L decoder layers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from rocovis_mm.models.layers.query_decoder import Predict, QueryDecoder
from rocovis_mm.models.task_modules.assigners import UNOWNED, ClipGlobalAssigner
from rocovis_mm.registry import MODELS, TASK_UTILS
from rocovis_mm.structures import ClipTargets, Detection, FramePrediction, FrameTargets


class FrameHead(BaseModule):
    """Mask2Former's pixel decoder and query decoder, and the loss of a frame.

    Args:
        in_channels: channels of the backbone's (or neck's) maps, high to low resolution.
        strides: their strides.
        num_classes: K.
        num_queries: N.
        feat_channels: C of pixel decoder and queries.
        out_channels: channels of the mask features.
        pixel_decoder: config of ``MaskPropagationPixelDecoder``.
        transformer_decoder: config of ``Mask2FormerTransformerDecoder``.
        positional_encoding: config of ``SinePositionalEncoding``.
        assigner: config of the label assignment (UVLA or UVLA++; on a single frame
            both are Mask2Former's Hungarian matching).
        loss: config of the clip loss; it is given ``num_classes``.
        pixel_loss: config of a :class:`PixelLoss`, which is given ``in_channels`` and
            ``num_classes``, or None.
        init_cfg: as any MMEngine module.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        num_classes: int,
        num_queries: int,
        feat_channels: int,
        out_channels: int,
        pixel_decoder: dict,
        transformer_decoder: dict,
        positional_encoding: dict,
        assigner: dict,
        loss: dict,
        pixel_loss: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_classes = num_classes
        self.num_queries = num_queries
        pixel_decoder = copy.deepcopy(pixel_decoder)
        pixel_decoder.update(
            in_channels=list(in_channels),
            strides=list(strides),
            feat_channels=feat_channels,
            out_channels=out_channels,
        )
        self.pixel_decoder = MODELS.build(pixel_decoder)
        self.query_decoder = QueryDecoder(
            num_classes,
            num_queries,
            feat_channels,
            out_channels,
            self.pixel_decoder.num_outs,
            transformer_decoder,
            positional_encoding,
        )
        self.assigner = TASK_UTILS.build(assigner)
        self.criterion = MODELS.build(dict(loss, num_classes=num_classes))
        if pixel_loss is not None:
            pixel_loss = MODELS.build(
                dict(pixel_loss, in_channels=feat_channels, num_classes=num_classes)
            )
        self.pixel_criterion = pixel_loss

    def detect(
        self,
        features: Sequence[Tensor],
        encoder_input: dict[int, Tensor] | None = None,
        queries: Tensor | None = None,
        predict: Predict = 'every',
    ) -> Detection:
        """Run the pixel decoder and the query decoder on a batch of frames.

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.
            encoder_input: stride -> (B, C, h, w), what the deformable encoder reads;
                None projects the features and reads those.
            queries: (B, N, C) to decode; None decodes the learned ones.
            predict: which of the predictions are asked for.
        """
        if encoder_input is None:
            encoder_input = self.pixel_decoder.project(features)
        levels = self.pixel_decoder.encode(features, encoder_input)
        maps = levels[: self.pixel_decoder.num_outs]
        decoded = self.query_decoder(
            queries, levels[-1], self.pixel_decoder.mask_feature, maps, predict
        )
        return Detection(*decoded, pixels=levels[-1])

    def unowned(self, targets: Sequence[ClipTargets]) -> list[Tensor]:
        """Return (L + 1, N) owners of each clip before its first frame."""
        layers = len(self.query_decoder.transformer_decoder.layers) + 1
        shape = (layers, self.query_decoder.query_feat.num_embeddings)
        return [torch.full(shape, UNOWNED, device=target.labels.device) for target in targets]

    def assign(
        self,
        prediction: FramePrediction | Detection,
        targets: Sequence[ClipTargets],
        frame: int,
        owners: Sequence[Tensor],
    ) -> tuple[list[Tensor], list[FrameTargets]]:
        """Return each clip's owners after a frame, and what its predictions learn.

        A prediction 0 that is not supervised at frame 0 is never matched with newcomers.

        Args:
            prediction: of this frame, all layers.
            targets: B clip targets.
            frame: index into the clips.
            owners: B tensors (L + 1, N) before this frame.
        """
        first = 0 if self.criterion.supervise_initial else 1
        owners = [
            self.assigner.assign(
                torch.stack([x[b] for x in prediction.class_logits]).detach(),
                torch.stack([x[b] for x in prediction.mask_logits]).detach(),
                target,
                frame,
                owners[b],
                first,
            )
            for b, target in enumerate(targets)
        ]
        supervision = [
            self.assigner.supervise(o, target, frame, self.num_classes)
            for o, target in zip(owners, targets)
        ]
        return owners, supervision

    def settle(
        self,
        supervision: list[list[FrameTargets]],
        targets: Sequence[ClipTargets],
        owners: Sequence[Tensor],
    ) -> list[list[FrameTargets]]:
        """Return the targets of the frames of whole clips, now that the last one is assigned.

        An assigner that decides frame by frame has said it already.

        Args:
            supervision: T lists of B frame targets of :meth:`assign`.
            targets: B clip targets.
            owners: B owners after the last frame.
        """
        if not isinstance(self.assigner, ClipGlobalAssigner):
            return supervision
        return [
            [self.assigner.supervise(o, x, t, self.num_classes) for o, x in zip(owners, targets)]
            for t in range(len(supervision))
        ]

    def detection_loss(
        self,
        detection: Detection,
        supervision: Sequence[FrameTargets],
        targets: Sequence[ClipTargets],
    ) -> dict[str, Tensor]:
        """Return Mask2Former's loss of independent frames, and that of their pixels if any.

        Args:
            detection: of B frames.
            supervision: B frame targets of :meth:`assign`.
            targets: B clips of one frame each.
        """
        prediction = FramePrediction(
            detection.class_logits, detection.mask_logits, detection.queries[-1]
        )
        losses = self.criterion([prediction], [supervision], targets)
        if self.pixel_criterion is None:
            return losses
        return {**losses, **self.pixel_criterion(detection.pixels, targets)}

"""RoCoVIS' head: one recurrence for training, testing and streaming.

B clips, T frames, N queries, C channels, K classes, L decoder layers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from rocovis_mm.models.layers.query_decoder import QueryDecoder
from rocovis_mm.models.task_modules.assigners import UNOWNED
from rocovis_mm.registry import MODELS, TASK_UTILS
from rocovis_mm.structures import ClipTargets, FramePrediction, StreamState


@MODELS.register_module()
class RoCoVISHead(BaseModule):
    """Queries of one frame decode the next; masks carry identities into its pixels.

    ``decode(features, state)`` is Eqs. 3, 4 and 1, ``advance(state, prediction,
    keep)`` is Eq. 2. Nothing else runs at any time.

    Args:
        in_channels: channels of the backbone's (or neck's) maps, high to low resolution.
        strides: their strides.
        num_classes: K.
        num_queries: N.
        feat_channels: C of pixel decoder and queries.
        out_channels: channels of the mask features.
        pixel_decoder: config, with the propagation's switches.
        transformer_decoder: config of ``Mask2FormerTransformerDecoder``.
        positional_encoding: config of ``SinePositionalEncoding``.
        memory_frames: past frames that the calibration reads.
        detach_every: frames between cuts of the graph through time; None never cuts.
        assigner: config of the label assignment (UVLA or UVLA++).
        loss: config of the clip loss; it is given ``num_classes``.
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
        memory_frames: int,
        assigner: dict,
        loss: dict,
        detach_every: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if memory_frames < 1:
            raise ValueError(
                f'memory_frames={memory_frames}: at least the last frame is remembered; '
                'to switch propagation off set pixel_decoder.propagation_strides=()'
            )
        if detach_every is not None and detach_every < 1:
            raise ValueError(f'detach_every={detach_every}: give a number of frames >= 1, or None')
        self.num_classes = num_classes
        self.num_queries = num_queries
        self.memory_frames = memory_frames
        self.detach_every = detach_every
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

    def decode(self, features: Sequence[Tensor], state: StreamState) -> FramePrediction:
        """Predict one frame from its features and the past (Eqs. 1, 3, 4).

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.
            state: past of the same B clips.
        """
        projected = self.pixel_decoder.project(features)
        calibrated = self.pixel_decoder.calibrate(projected, state.memory)
        mask_features, maps = self.pixel_decoder.encode(features, calibrated)
        class_logits, mask_logits, queries = self.query_decoder(state.queries, mask_features, maps)
        return FramePrediction(class_logits, mask_logits, queries, projected)

    def advance(self, state: StreamState, prediction: FramePrediction, keep: Tensor) -> StreamState:
        """Return the past of the next frame (Eq. 2).

        Args:
            state: past of this frame.
            prediction: of this frame.
            keep: (B, N), factor of each query's mask probability: the assigner's
                in training, the foreground probability at test time.
        """
        memory = state.memory
        if self.pixel_decoder.propagation_strides:
            remembered = self.pixel_decoder.remember(
                prediction.projected, prediction.queries, prediction.mask_logits[-1], keep
            )
            memory = (*memory, remembered)[-self.memory_frames :]
        return StreamState(prediction.queries, memory)

    def loss(self, features: Sequence[Tensor], targets: Sequence[ClipTargets]) -> dict[str, Tensor]:
        """Run the recurrence over a batch of clips and return the losses.

        Args:
            features: backbone maps, each (B, T, C_i, h_i, w_i), high to low resolution.
            targets: B clip targets.
        """
        layers = len(self.query_decoder.transformer_decoder.layers) + 1
        device = features[0].device
        owners = [torch.full((layers, self.num_queries), UNOWNED, device=device) for _ in targets]
        state = StreamState()
        predictions, supervision = [], []
        for t in range(features[0].shape[1]):
            if self.detach_every and t % self.detach_every == 0:
                state = state.detach()
            prediction = self.decode([x[:, t] for x in features], state)
            owners = [
                self.assigner.assign(
                    torch.stack([x[b] for x in prediction.class_logits]).detach(),
                    torch.stack([x[b] for x in prediction.mask_logits]).detach(),
                    target,
                    t,
                    owners[b],
                )
                for b, target in enumerate(targets)
            ]
            frame_targets = [
                self.assigner.supervise(o, target, t, self.num_classes)
                for o, target in zip(owners, targets)
            ]
            predictions.append(prediction)
            supervision.append(frame_targets)
            if t + 1 < features[0].shape[1]:
                keep = torch.stack([frame.keep for frame in frame_targets])
                state = self.advance(state, prediction, keep)
        return self.criterion(predictions, supervision, targets)

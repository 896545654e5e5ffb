"""DVIS' head, online (Zhang et al. 2023): frames are detected, a tracker refers them to the past.

B clips, T frames, N queries, C channels, K classes, D layers of the tracker.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rocovis_mm.models.layers.query_decoder import folded_mask_logits
from rocovis_mm.models.layers.referring_tracker import ReferringTracker
from rocovis_mm.models.task_modules.assigners.genvis import UNSEEN
from rocovis_mm.models.tracking_heads.frame_head import FrameHead
from rocovis_mm.models.tracking_heads.minvis_head import align_all
from rocovis_mm.registry import MODELS, TASK_UTILS
from rocovis_mm.structures import (
    AlignedQueries,
    ClipTargets,
    Detection,
    FramePrediction,
    StreamState,
)


@MODELS.register_module()
class DVISHead(FrameHead):
    """Mask2Former on each frame; a slot of the tracker is an identity from the first frame on.

    A stream remembers two tensors (B, N, C): the tracker's last output (``state.queries``), and
    the frame's queries in the slots of the tracks (``state.memory``).

    Args:
        tracker: ``feedforward_channels`` and ``num_layers`` of :class:`ReferringTracker`, and
            ``num_heads`` where the detector's decoder has another number.
        object_assigner: config of :class:`DVISAssigner`; it is given ``published``.
        object_loss: config of :class:`DVISLoss`; it is given ``published`` and ``num_classes``.
        published: repeat three faults of the released code, with which its weights were trained.
            The frame's queries are put into the slots by the inverse of the best permutation
            (dvis/video_dvis_modules.py:269-283), which differs for cycles of three and more. See
            :class:`DVISAssigner` and :class:`DVISLoss` for the others. False mends all three.
        out_channels: channels of the mask features.
        **kwargs: further arguments of :class:`FrameHead`, whose ``assigner`` and ``loss`` are
            those of the detector, if it learns.

    Attributes:
        exporting: match queries with tensor operations that exporters know.
    """

    exporting = False

    def __init__(
        self,
        *,
        tracker: dict,
        object_assigner: dict,
        object_loss: dict,
        published: bool = True,
        out_channels: int,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(out_channels=out_channels, **kwargs)
        self.published = published
        decoder = self.query_decoder.transformer_decoder
        self.tracker = ReferringTracker(
            num_classes=self.num_classes,
            embed_dims=decoder.embed_dims,
            out_channels=out_channels,
            **{'num_heads': decoder.layers[0].cross_attn.num_heads, **tracker},
        )
        self.object_assigner = TASK_UTILS.build(dict(object_assigner, published=published))
        self.object_criterion = MODELS.build(
            dict(object_loss, published=published, num_classes=self.num_classes)
        )

    def decode(
        self, features: Sequence[Tensor], state: StreamState, started: Tensor | None = None
    ) -> tuple[FramePrediction, StreamState]:
        """Predict one frame from its features and the past; the last layer alone.

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.
            state: past of the same B clips.
            started: (B,) bool, False before the first frame; None where `state` says it.

        Returns:
            the prediction and the past of the next frame.
        """
        return self.track(self.detect(features, predict='none'), state, started)

    def track(
        self, detection: Detection, state: StreamState, started: Tensor | None = None
    ) -> tuple[FramePrediction, StreamState]:
        """Do the part of :meth:`decode` after the detection, which needs the CPU to match."""
        tracks, _, state = self.refer(self.frame_queries(detection), state, started)
        class_logits, embeddings = self.tracker.predict(tracks[-1])
        mask_logits = folded_mask_logits(
            embeddings, detection.pixels, self.pixel_decoder.mask_feature
        )
        return FramePrediction((class_logits,), (mask_logits,), tracks[-1]), state

    def frame_queries(self, detection: Detection) -> Tensor:
        """Return (B, N, C), the detector's queries after the post-norm."""
        return self.query_decoder.transformer_decoder.post_norm(detection.queries[-1])

    def refer(
        self, queries: Tensor, state: StreamState, started: Tensor | None = None
    ) -> tuple[tuple[Tensor, ...], Tensor, StreamState]:
        """Decode a frame's queries (B, N, C) into tracks; `started` is that of :meth:`decode`.

        Each clip is matched by itself. The released code matches all clips of a batch as the
        first one, and trains with one clip per GPU.

        Returns:
            D tensors (B, N, C); (B, N) long, the query in each slot; the past of the next frame.
        """
        if state.queries is None:
            order = torch.arange(queries.shape[1], device=queries.device).expand(len(queries), -1)
        else:
            # an undefined cost is 0 as published (dvis/video_dvis_modules.py:269-283)
            undefined = 1.0 if self.published else None
            previous = state.memory[0].queries.detach()
            order = align_all(previous, queries.detach(), started, self.exporting, undefined)
            order = order.argsort(1) if self.published else order
        aligned = in_order(queries, order)
        tracks = self.tracker(aligned, queries, state.queries, started)
        return tracks, order, StreamState(tracks[-1], (AlignedQueries(aligned),))

    def loss(
        self,
        features: Sequence[Tensor],
        targets: Sequence[ClipTargets],
        learn_frames: bool = False,
        match_detections: bool = False,
    ) -> dict[str, Tensor]:
        """Detect all frames at once, then run the recurrence over the clips.

        Args:
            features: backbone maps, each (B, T, C_i, h_i, w_i), high to low resolution.
            targets: B clip targets.
            learn_frames: whether the detector learns; its loss is ``frame.*``.
            match_detections: match instances with the detector's predictions in the slots of the
                tracks, for all layers alike, as published in the first half of a training; False
                matches each layer's own ones.

        Returns:
            the losses, over all frames together.
        """
        shape = features[0].shape[:2]
        predict = 'every' if learn_frames else 'last' if match_detections else 'none'
        with torch.set_grad_enabled(torch.is_grad_enabled() and learn_frames):
            detection = self.detect([x.flatten(0, 1) for x in features], predict=predict)
            queries = self.frame_queries(detection).unflatten(0, shape)  # (B, T, N, C)
            pixels = self.pixel_decoder.mask_feature(detection.pixels).unflatten(0, shape)
        losses = self.frame_losses(detection, targets) if learn_frames else {}
        state, tracks, orders = StreamState(), [], []
        for t in range(shape[1]):
            layers, order, state = self.refer(queries[:, t], state)
            tracks.append(torch.stack(layers))
            orders.append(order)
        class_logits, embeddings = self.tracker.predict(torch.stack(tracks, dim=2))
        mask_logits = torch.einsum('dbtnc,btchw->dbtnhw', embeddings, pixels)
        if match_detections:
            order = torch.stack(orders, dim=1).flatten(0, 1)  # (B * T, N)
            compared = [
                in_order(x[-1], order).unflatten(0, shape)[None]
                for x in (detection.class_logits, detection.mask_logits)
            ]
        else:
            compared = [class_logits, mask_logits]
        slots = [
            self.match(*(x[:, b].detach() for x in compared), target).expand(len(class_logits), -1)
            for b, target in enumerate(targets)
        ]
        return losses | self.object_criterion(class_logits, mask_logits, slots, targets)

    def frame_losses(
        self, detection: Detection, targets: Sequence[ClipTargets]
    ) -> dict[str, Tensor]:
        """Return the detector's own losses, Mask2Former's of independent frames."""
        frames = [frame for target in targets for frame in target.frames()]
        _, supervision = self.assign(detection, frames, 0, self.unowned(frames))
        losses = self.detection_loss(detection, supervision, frames)
        return {f'frame.{name}': value for name, value in losses.items()}

    def match(self, class_logits: Tensor, mask_logits: Tensor, target: ClipTargets) -> Tensor:
        """Return the slots (D, G) of a clip's instances.

        Args:
            class_logits: (D, T, N, K + 1).
            mask_logits: (D, T, N, h, w).
            target: of the clip.
        """
        slots = torch.full((len(class_logits), len(target)), UNSEEN, device=class_logits.device)
        for t in range(class_logits.shape[1]):
            slots = self.object_assigner.assign(
                class_logits[:, t], mask_logits[:, t], target, t, slots
            )
        return slots


def in_order(values: Tensor, order: Tensor) -> Tensor:
    """Return (B, N, ...) values in the order (B, N) given for each clip."""
    return values[torch.arange(len(order), device=order.device)[:, None], order]

"""RoCoVIS' head: one recurrence for training, testing and streaming.

B clips, T frames, N queries, C channels, K classes, L decoder layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rocovis_mm.models.layers.query_decoder import Predict
from rocovis_mm.models.tracking_heads.frame_head import FrameHead
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import ClipTargets, FramePrediction, StreamState


@MODELS.register_module()
class RoCoVISHead(FrameHead):
    """Queries of one frame decode the next; masks carry identities into its pixels.

    ``decode(features, state)`` is Eqs. 3, 4 and 1, ``advance(state, prediction,
    keep)`` is Eq. 2. Nothing else runs at any time.

    Args:
        memory_frames: past frames that the calibration reads.
        scale_memory: scale the probabilities of propagated masks by the foreground
            probability 1 - p(no object), in training as at test time.
        detach_every: frames between cuts of the graph through time; None never cuts.
        **kwargs: arguments of :class:`FrameHead`; the ``pixel_decoder`` holds the
            propagation's switches.

    Raises:
        ValueError: ``memory_frames`` or ``detach_every`` below 1.
    """

    def __init__(
        self,
        *,
        memory_frames: int,
        scale_memory: bool = True,
        detach_every: int | None = None,
        pixel_decoder: dict,
        **kwargs,  # noqa: ANN003
    ) -> None:
        propagation = {**(pixel_decoder.get('propagation') or {}), 'memory_frames': memory_frames}
        super().__init__(pixel_decoder={**pixel_decoder, 'propagation': propagation}, **kwargs)
        if memory_frames < 1:
            raise ValueError(
                f'memory_frames={memory_frames}: at least the last frame is remembered; '
                'to switch propagation off set pixel_decoder.propagation_strides=()'
            )
        if detach_every is not None and detach_every < 1:
            raise ValueError(f'detach_every={detach_every}: give a number of frames >= 1, or None')
        self.memory_frames = memory_frames
        self.scale_memory = scale_memory
        self.detach_every = detach_every

    def decode(
        self,
        features: Sequence[Tensor],
        state: StreamState,
        predict: Predict = 'every',
        visible: Tensor | None = None,
    ) -> FramePrediction:
        """Predict one frame from its features and the past (Eqs. 1, 3, 4).

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.
            state: past of the same B clips.
            predict: ``every`` layer's prediction, as a loss needs, or the ``last``.
            visible: (B, M) bool, frames of the memory that count; None counts all.
        """
        projected = self.pixel_decoder.project(features)
        calibrated = self.pixel_decoder.calibrate(projected, state.memory, visible)
        detection = self.detect(features, calibrated, state.queries, predict)
        return FramePrediction(
            detection.class_logits,
            detection.mask_logits,
            detection.queries[-1],
            projected,
            pixels=detection.pixels if predict == 'every' else None,
        )

    def advance(
        self, state: StreamState, prediction: FramePrediction, keep: Tensor | None = None
    ) -> StreamState:
        """Return the past of the next frame (Eq. 2).

        Args:
            state: past of this frame.
            prediction: of this frame.
            keep: (B, N), 1 or 0, whether a query's mask is propagated: the assigner's in
                training; None propagates all.
        """
        memory = state.memory
        if self.pixel_decoder.propagation_strides:
            factor = torch.ones_like(prediction.class_logits[-1][..., 0]) if keep is None else keep
            if self.scale_memory:
                factor = factor * foreground(prediction.class_logits[-1])
            remembered = self.pixel_decoder.remember(
                prediction.projected, prediction.queries, prediction.mask_logits[-1], factor
            )
            memory = (*memory, remembered)[-self.memory_frames :]
        return StreamState(prediction.queries, memory)

    def loss(self, features: Sequence[Tensor], targets: Sequence[ClipTargets]) -> dict[str, Tensor]:
        """Run the recurrence over a batch of clips and return the losses.

        Args:
            features: backbone maps, each (B, T, C_i, h_i, w_i), high to low resolution.
            targets: B clip targets.
        """
        owners = self.unowned(targets)
        state = StreamState()
        predictions, supervision = [], []
        for t in range(features[0].shape[1]):
            if self.detach_every and t % self.detach_every == 0:
                state = state.detach()
            prediction = self.decode([x[:, t] for x in features], state)
            owners, frame_targets = self.assign(prediction, targets, t, owners)
            predictions.append(prediction)
            supervision.append(frame_targets)
            if t + 1 < features[0].shape[1]:
                keep = torch.stack([frame.keep for frame in frame_targets])
                state = self.advance(state, prediction, keep)
        losses = self.criterion(predictions, self.settle(supervision, targets, owners), targets)
        if self.pixel_criterion is None:
            return losses
        pixels = torch.stack([prediction.pixels for prediction in predictions], dim=1)
        frames = [frame for target in targets for frame in target.frames()]
        return {**losses, **self.pixel_criterion(pixels.flatten(0, 1), frames)}


def foreground(class_logits: Tensor) -> Tensor:
    """Return 1 - p(no object), (B, N), of class logits (B, N, K + 1)."""
    return 1 - class_logits.softmax(-1)[..., -1]

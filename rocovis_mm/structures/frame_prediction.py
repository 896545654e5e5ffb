"""What a model says of one frame of a batch of clips."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FramePrediction:
    """Predictions of every decoder layer for one frame.

    B clips, N queries, C channels, K classes, L decoder layers (prediction 0 is
    the one made before the first layer), h x w the resolution of the masks.

    Attributes:
        class_logits: L + 1 tensors (B, N, K + 1); the last class is "no object".
        mask_logits: L + 1 tensors (B, N, h, w).
        queries: (B, N, C), output of the last decoder layer before the post-norm:
            Q_t of Eq. 1.
        projected: stride -> (B, C, h_s, w_s), the frame's uncalibrated features
            F_t at each stride that the pixel decoder encodes.
    """

    class_logits: tuple[Tensor, ...]
    mask_logits: tuple[Tensor, ...]
    queries: Tensor
    projected: dict[int, Tensor]

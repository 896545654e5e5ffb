"""The prediction of a model for one frame of a batch of clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class FramePrediction:
    """Predictions of every decoder layer for one frame.

    B clips, N queries, C channels, K classes, L decoder layers (prediction 0 is
    the one made before the first layer), h x w the resolution of the masks.

    Attributes:
        class_logits: tensors (B, N, K + 1) of all L + 1 predictions, or of the last
            alone where no loss will ask for more; the last class is "no object".
        mask_logits: as many tensors (B, N, h, w).
        queries: (B, N, C), output of the last decoder layer before the post-norm:
            Q_t of Eq. 1.
        projected: stride -> (B, C, h_s, w_s), the frame's uncalibrated features
            F_t at each stride that the pixel decoder encodes; RoCoVIS alone needs them.
        identities: (B, N) long, the identity of each query in this frame, -1 for none; None
            where a query is an identity by itself.
        boxes: tensors (B, N, 4), (x, y, w, h) in shares of the unpadded frame; none where a
            model does not predict them.
        pixels: (B, C, h, w), what mask features are made of; None where no loss needs it.
    """

    class_logits: tuple[Tensor, ...]
    mask_logits: tuple[Tensor, ...]
    queries: Tensor
    projected: dict[int, Tensor] = field(default_factory=dict)
    identities: Tensor | None = None
    boxes: tuple[Tensor, ...] = ()
    pixels: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> FramePrediction:
        """Return the prediction with `function` applied to every tensor."""
        return FramePrediction(
            tuple(function(x) for x in self.class_logits),
            tuple(function(x) for x in self.mask_logits),
            function(self.queries),
            {stride: function(x) for stride, x in self.projected.items()},
            None if self.identities is None else function(self.identities),
            tuple(function(x) for x in self.boxes),
            None if self.pixels is None else function(self.pixels),
        )

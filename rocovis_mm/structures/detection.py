"""The outputs of Mask2Former for frames.

B frames, N queries, C channels, K classes, L decoder layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Detection:
    """The outputs of Mask2Former for a batch of frames.

    Attributes:
        class_logits: L + 1 tensors (B, N, K + 1), or those that were asked for.
        mask_logits: as many tensors (B, N, h, w).
        queries: L tensors (B, N, C), each layer's output before the post-norm.
        pixels: (B, C, h, w), what mask features are made of.
    """

    class_logits: tuple[Tensor, ...]
    mask_logits: tuple[Tensor, ...]
    queries: tuple[Tensor, ...]
    pixels: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> Detection:
        """Return the detection with `function` applied to every tensor."""
        return Detection(
            tuple(function(x) for x in self.class_logits),
            tuple(function(x) for x in self.mask_logits),
            tuple(function(x) for x in self.queries),
            function(self.pixels),
        )

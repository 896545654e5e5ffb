"""The memory of DVIS' tracker beside its own outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class AlignedQueries:
    """The detector's queries of one past frame, in the order of the tracks.

    Attributes:
        queries: (B, N, C), after the detector's post-norm.
    """

    queries: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> AlignedQueries:
        """Return the frame with `function` applied to every tensor."""
        return AlignedQueries(function(self.queries))

    def without(self, slots: Tensor) -> AlignedQueries:
        """Return the frame as it is: any query of the next frame may continue these."""
        return self

    @staticmethod
    def cat(frames: Sequence[AlignedQueries]) -> AlignedQueries:
        """Return the batch of `frames`."""
        return AlignedQueries(torch.cat([frame.queries for frame in frames]))

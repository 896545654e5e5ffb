"""What a stream remembers of its past: bounded, immutable, owned by the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import torch
from torch import Tensor


@dataclass(frozen=True)
class MemoryFrame:
    """One past frame as the calibration reads it (Eq. 3).

    Attributes:
        features: stride -> (B, C, h_s, w_s), the uncalibrated F of that frame.
        identity: stride -> (B, C, h_s, w_s), its spatial identity Z' (Eq. 2).
    """

    features: dict[int, Tensor]
    identity: dict[int, Tensor]

    def map(self, function: Callable[[Tensor], Tensor]) -> MemoryFrame:
        """Return the frame with `function` applied to every tensor."""
        return MemoryFrame(
            {stride: function(x) for stride, x in self.features.items()},
            {stride: function(x) for stride, x in self.identity.items()},
        )


@dataclass(frozen=True)
class StreamState:
    """The past of a batch of streams that stand at the same number of memory frames.

    Attributes:
        queries: (B, N, C), Q_{t-1}, or None before the first frame.
        memory: at most ``memory_frames`` past frames, oldest first.
    """

    queries: Tensor | None = None
    memory: tuple[MemoryFrame, ...] = ()

    def map(self, function: Callable[[Tensor], Tensor]) -> StreamState:
        """Return the state with `function` applied to every tensor."""
        if self.queries is None:
            return self
        return StreamState(function(self.queries), tuple(f.map(function) for f in self.memory))

    def detach(self) -> StreamState:
        """Return the state cut off from the graph that made it."""
        return self.map(Tensor.detach)

    def split(self) -> list[StreamState]:
        """Return one state of batch size 1 for every stream of the batch."""
        if self.queries is None:
            raise ValueError('a state before its first frame belongs to no batch')
        return [self.map(itemgetter(slice(b, b + 1))) for b in range(len(self.queries))]

    @staticmethod
    def cat(states: Sequence[StreamState]) -> StreamState:
        """Return the batch of `states`, which must have memories of one length and size."""
        if states[0].queries is None:
            return states[0]
        memory = tuple(
            MemoryFrame(
                {s: torch.cat([f.features[s] for f in frames]) for s in frames[0].features},
                {s: torch.cat([f.identity[s] for f in frames]) for s in frames[0].identity},
            )
            for frames in zip(*(state.memory for state in states))
        )
        return StreamState(torch.cat([state.queries for state in states]), memory)

"""The memory of a stream: bounded, immutable, owned by the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import torch
from torch import Tensor

from rocovis_mm.structures.aligned_queries import AlignedQueries
from rocovis_mm.structures.track_bank import TrackBank


@dataclass(frozen=True)
class MemoryFrame:
    """One past frame as the calibration reads it (Eq. 3); S cells of a stride.

    Attributes:
        keys: stride -> (B, S, C), the projection of that frame's uncalibrated F.
        values: stride -> (B, S, C), the projection of F plus its spatial identity Z' (Eq. 2).
    """

    keys: dict[int, Tensor]
    values: dict[int, Tensor]

    def map(self, function: Callable[[Tensor], Tensor]) -> MemoryFrame:
        """Return the frame with `function` applied to every tensor."""
        return MemoryFrame(
            {stride: function(x) for stride, x in self.keys.items()},
            {stride: function(x) for stride, x in self.values.items()},
        )

    def without(self, slots: Tensor) -> MemoryFrame:
        """Return the frame as it is: an identity belongs to cells, and leaves with the frame."""
        return self

    @staticmethod
    def cat(frames: Sequence[MemoryFrame]) -> MemoryFrame:
        """Return the batch of `frames`, whose maps must have the same sizes."""
        return MemoryFrame(
            {s: torch.cat([frame.keys[s] for frame in frames]) for s in frames[0].keys},
            {s: torch.cat([frame.values[s] for frame in frames]) for s in frames[0].values},
        )


@dataclass(frozen=True)
class QueryMemory:
    """One past frame as GenVIS' instances read it.

    Attributes:
        keys: (B, N, C), one of each query.
        values: (B, N, C).
    """

    keys: Tensor
    values: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> QueryMemory:
        """Return the frame with `function` applied to every tensor."""
        return QueryMemory(function(self.keys), function(self.values))

    def without(self, slots: Tensor) -> QueryMemory:
        """Return the frame with zeros for the queries `slots` (n,): they find nothing in it."""
        return self.map(lambda x: x.index_fill(1, slots.to(x.device), 0))

    @staticmethod
    def cat(frames: Sequence[QueryMemory]) -> QueryMemory:
        """Return the batch of `frames`."""
        return QueryMemory(
            torch.cat([frame.keys for frame in frames]),
            torch.cat([frame.values for frame in frames]),
        )


@dataclass(frozen=True)
class StreamState:
    """The past of a batch of streams with the same number of memory frames.

    Attributes:
        queries: (B, N, C), what the model carries from frame to frame (Q_{t-1} of
            RoCoVIS and GenVIS, MinVIS' aligned embeddings, DVIS' tracks), or None before the
            first.
        memory: past frames, oldest first: ``MemoryFrame`` of RoCoVIS, ``QueryMemory``
            of GenVIS, one ``AlignedQueries`` of DVIS, none of MinVIS.
        tracks: B banks of a model whose queries are linked by an associator, or none.
    """

    queries: Tensor | None = None
    memory: tuple[MemoryFrame | QueryMemory | AlignedQueries, ...] = ()
    tracks: tuple[TrackBank, ...] = ()

    @property
    def started(self) -> bool:
        """Whether there was a frame."""
        return self.queries is not None or bool(self.tracks)

    def map(self, function: Callable[[Tensor], Tensor]) -> StreamState:
        """Return the state with `function` applied to every tensor of all streams."""
        if self.queries is None:
            return self
        memory = tuple(f.map(function) for f in self.memory)
        return replace(self, queries=function(self.queries), memory=memory)

    def detach(self) -> StreamState:
        """Return the state cut off from the graph that made it."""
        return self.map(Tensor.detach)

    def newest(self, frames: int) -> StreamState:
        """Return the state with at most so many past frames, the last ones."""
        return replace(self, memory=self.memory[-frames:])

    def restart(self, slots: Tensor, queries: Tensor | None) -> StreamState:
        """Return the state with some slots as before the first frame.

        Args:
            slots: (n,) long, the same ones of all streams; identities, where an associator
                gives them.
            queries: (N, C) of a first frame; None where the carried ones are those of the
                last frame's detections, which any query may continue (MinVIS).
        """
        if self.tracks:
            return replace(self, tracks=tuple(bank.without(slots) for bank in self.tracks))
        if self.queries is None or queries is None:
            return self
        slots = slots.to(self.queries.device)
        fresh = self.queries.index_copy(
            1, slots, queries[slots].to(self.queries).expand(len(self.queries), -1, -1)
        )
        return StreamState(fresh, tuple(frame.without(slots) for frame in self.memory))

    def split(self) -> list[StreamState]:
        """Return one state of batch size 1 for every stream of the batch."""
        if not self.started:
            raise ValueError('a state before its first frame belongs to no batch')
        batch = len(self.tracks) if self.queries is None else len(self.queries)
        return [
            replace(self.map(itemgetter(part)), tracks=self.tracks[part])
            for part in (slice(b, b + 1) for b in range(batch))
        ]

    @staticmethod
    def cat(states: Sequence[StreamState]) -> StreamState:
        """Return the batch of `states`, which must have memories of one length and size."""
        tracks = tuple(bank for state in states for bank in state.tracks)
        if states[0].queries is None:
            return replace(states[0], tracks=tracks)
        memory = tuple(
            type(frames[0]).cat(frames) for frames in zip(*(state.memory for state in states))
        )
        return StreamState(torch.cat([state.queries for state in states]), memory, tracks)

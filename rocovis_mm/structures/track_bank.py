"""The tracks that the association of a stream remembers."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class TrackBank:
    """The tracks of one stream that may still be continued.

    M tracks, R remembered raw embeddings of a track, C channels. A track that has died is not in
    the bank, so that M is bounded by the queries of the frames in which a track can be absent.

    Attributes:
        ids: (M,) long, identities; a number is never used again.
        memory: (M, C), the embedding that detections are compared with.
        cached: (M, R, C), the last raw embeddings, oldest first; the last ``min(seen, R)`` count.
        scores: (M, R), of the raw embeddings.
        seen: (M,) long, frames in which the track was matched.
        last: (M,) long, the last of these frames.
        frame: number of frames so far.
        next_id: identity of the next track.
    """

    ids: Tensor
    memory: Tensor
    cached: Tensor
    scores: Tensor
    seen: Tensor
    last: Tensor
    frame: int = 0
    next_id: int = 0

    @staticmethod
    def empty(channels: int, capacity: int, like: Tensor) -> TrackBank:
        """Return the bank before the first frame.

        Args:
            channels: C.
            capacity: R.
            like: tensor whose type and device embeddings have.
        """
        whole = torch.zeros(0, dtype=torch.long, device=like.device)
        return TrackBank(
            ids=whole,
            memory=like.new_zeros(0, channels),
            cached=like.new_zeros(0, capacity, channels),
            scores=like.new_zeros(0, capacity),
            seen=whole,
            last=whole,
        )

    def at(self, rows: Tensor) -> TrackBank:
        """Return the bank with the tracks of some rows, given as indices or as bool."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(
            self, **{name: x[rows] for name, x in tensors.items() if isinstance(x, Tensor)}
        )

    def grow(self, ids: Tensor) -> TrackBank:
        """Return the bank with tracks that have not been seen yet.

        Args:
            ids: (n,) long, their identities.
        """
        added = {
            name: x.new_zeros(len(ids), *x.shape[1:])
            for name in ('memory', 'cached', 'scores', 'seen', 'last')
            for x in [getattr(self, name)]
        }
        added['ids'] = ids
        return replace(
            self, **{name: torch.cat([getattr(self, name), x]) for name, x in added.items()}
        )

    def without(self, ids: Tensor) -> TrackBank:
        """Return the bank without the tracks of some identities (n,)."""
        return self.at(~torch.isin(self.ids, ids.to(self.ids.device)))

    def __len__(self) -> int:
        return len(self.ids)

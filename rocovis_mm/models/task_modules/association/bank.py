"""The memory of tracks: one embedding of each, from its last raw embeddings.

n detections, M tracks, R remembered raw embeddings of a track, C channels.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from rocovis_mm.structures import TrackBank

MEMORIES = ('similarity_guided', 'momentum', 'temporally_weighted', 'last')
"""Ways in which the embedding of a track follows from its raw ones."""
MOMENTUM = 0.75
"""Share of the new embedding in the memory ``momentum``
(CTVIS, ctvis/modeling/tracker/memory_bank.py:22)."""


def similarity_guided(memory: Tensor, earlier: Tensor, valid: Tensor, current: Tensor) -> Tensor:
    """Return the memory after another embedding, weighted by its similarity to earlier ones.

    ``m' = (1 - b) m + b e``, where b is the mean cosine similarity of e with the earlier raw
    embeddings, and 0 if that is negative. Without an earlier one, ``m' = e``. Gradients flow
    through b (CTVIS, ctvis/modeling/tracker/memory_bank.py:37-52).

    Args:
        memory: (n, C), any numbers where there is no earlier embedding.
        earlier: (n, R, C) raw embeddings.
        valid: (n, R) bool, which of them count.
        current: (n, C).
    """
    cosines = torch.einsum('nrc,nc->nr', F.normalize(earlier, dim=-1), F.normalize(current, dim=-1))
    counts = valid.sum(1)
    similarity = torch.where(valid, cosines, 0).sum(1) / counts.clamp(min=1)
    share = similarity.clamp(min=0)[:, None]
    return torch.where(counts[:, None] > 0, (1 - share) * memory + share * current, current)


def temporally_weighted(cached: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
    """Return the mean of raw embeddings, with their score plus their age's share as weight.

    Of r embeddings the k-th oldest weighs ``score + k / r`` (IDOL,
    projects/IDOL/idol/models/tracker.py:178-186; CTVIS, memory_bank.py,
    ``temporally_weighted_softmax``).

    Args:
        cached: (n, R, C), oldest first; the ones that count are the last.
        scores: (n, R).
        valid: (n, R) bool, which of them count.
    """
    order = valid.cumsum(1) / valid.sum(1, keepdim=True).clamp(min=1)
    weights = torch.where(valid, scores + order, 0)
    return torch.einsum('nrc,nr->nc', cached, weights) / weights.sum(1, keepdim=True)


def update_bank(
    bank: TrackBank, rows: Tensor, embeddings: Tensor, scores: Tensor, memory: str
) -> tuple[Tensor, TrackBank]:
    """Add the matched and the new detections of one frame; the frame counts as over.

    Args:
        bank: before the frame.
        rows: (n,) long, the row of each detection's track; -1 begins a track. Numbers of new
            tracks follow the order of the detections.
        embeddings: (n, C) raw.
        scores: (n,).
        memory: one of ``MEMORIES``.

    Returns:
        (n,) long, the identities, and the bank after the frame.
    """
    new = rows < 0
    born = int(new.sum())
    numbers = torch.arange(born, device=rows.device)
    grown = bank.grow(bank.next_id + numbers)
    rows = rows.clone()
    rows[new] = len(bank) + numbers
    earlier, current = grown.cached[rows], embeddings.to(grown.cached)
    places = torch.arange(earlier.shape[1], 0, -1, device=rows.device)
    valid = places <= grown.seen[rows, None]  # the last ones of each
    cached = torch.cat([earlier[:, 1:], current[:, None]], dim=1)
    cached_scores = torch.cat([grown.scores[rows, 1:], scores[:, None].to(grown.scores)], dim=1)
    if memory == 'similarity_guided':
        remembered = similarity_guided(grown.memory[rows], earlier, valid, current)
    elif memory == 'momentum':
        mixed = (1 - MOMENTUM) * grown.memory[rows] + MOMENTUM * current
        remembered = torch.where(grown.seen[rows, None] > 0, mixed, current)
    elif memory == 'temporally_weighted':
        remembered = temporally_weighted(
            cached, cached_scores, places <= grown.seen[rows, None] + 1
        )
    else:
        remembered = current
    updated = replace(
        grown,
        memory=grown.memory.index_copy(0, rows, remembered),
        cached=grown.cached.index_copy(0, rows, cached),
        scores=grown.scores.index_copy(0, rows, cached_scores),
        seen=grown.seen.index_add(0, rows, torch.ones_like(rows)),
        last=grown.last.index_fill(0, rows, bank.frame),
        frame=bank.frame + 1,
        next_id=bank.next_id + born,
    )
    return grown.ids[rows], updated


def drop_dead(bank: TrackBank, dead_frames: int) -> TrackBank:
    """Return the bank without the tracks that were last seen more than `dead_frames` ago.

    Args:
        bank: after a frame.
        dead_frames: a track that was seen this many frames before the last one is kept.
    """
    return bank.at(bank.frame - 1 - bank.last <= dead_frames)

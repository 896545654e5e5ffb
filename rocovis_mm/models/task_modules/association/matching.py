"""Matching of a frame's embeddings with those of the tracks so far.

n detections, best first, M tracks, C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

UNMATCHED = -1


def bi_softmax(embeddings: Tensor, memory: Tensor) -> Tensor:
    """Return (n, M), the mean of the softmax over tracks and of the softmax over detections.

    The products have neither a temperature nor a normalisation (CTVIS,
    ctvis/modeling/tracker/simple_tracker.py:293-301).

    Args:
        embeddings: (n, C).
        memory: (M, C).
    """
    products = embeddings @ memory.T
    return (products.softmax(1) + products.softmax(0)) / 2


def cosine(embeddings: Tensor, memory: Tensor) -> Tensor:
    """Return (n, M), the cosine similarities of (n, C) with (M, C) embeddings."""
    return F.normalize(embeddings, dim=1) @ F.normalize(memory, dim=1).T


METRICS = {'bi_softmax': bi_softmax, 'cosine': cosine}
"""Name -> function of embeddings and memory."""


def greedy_match(
    similarity: Tensor, seen: Tensor, threshold: float, frame_weight: bool = True
) -> Tensor:
    """Give each detection in turn the likest track that is still free.

    With `frame_weight`, a detection with several tracks above the threshold prefers long ones.
    The values of these tracks are multiplied by their numbers of frames, and the values of the
    others by the mean of these numbers. The weighted value is compared with the threshold, as in
    CTVIS (ctvis/modeling/tracker/simple_tracker.py:308-329) and in IDOL
    (projects/IDOL/idol/models/tracker.py:245-264).

    Args:
        similarity: (n, M); not changed.
        seen: (M,), frames in which each track was matched.
        threshold: a match has a value above it.
        frame_weight: whether long tracks are preferred.

    Returns:
        (n,) long, the column of each detection's track, -1 for none.
    """
    matched = torch.full((len(similarity),), UNMATCHED, device=similarity.device)
    if similarity.shape[1] == 0:
        return matched
    left, frames = similarity.cpu().clone(), seen.cpu().to(similarity.dtype)
    columns = []
    for row in range(len(left)):
        values = left[row]
        likely = values > threshold
        if frame_weight and likely.sum() > 1:
            weights = torch.where(likely, frames, frames[likely].mean())
            values = values * weights
        value, column = values.max(0)
        columns.append(int(column) if value > threshold else UNMATCHED)
        if columns[-1] != UNMATCHED:
            left[row + 1 :, column] = 0
    return matched.new_tensor(columns)

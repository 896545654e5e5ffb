"""The prediction of an offline model for a clip, or for a whole video."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ClipPrediction:
    """The best queries of one clip; n of N queries, K classes, T frames.

    Attributes:
        queries: (n,) long, numbers of the queries.
        scores: (n, K), their class probabilities.
        mask_logits: (n, T, h, w), at a resolution that the model chooses.
    """

    queries: Tensor
    scores: Tensor
    mask_logits: Tensor

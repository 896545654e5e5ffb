"""Which prediction takes which ground truth; A area ranges, T thresholds, D and G tracks."""

from __future__ import annotations

import numpy as np

GOOD_IOU = 0.5
"""IoU of tubes, or of the masks of a frame, from which a prediction has found an object."""
UNMATCHED = -1


def match_tracks(
    ious: np.ndarray, ignored: np.ndarray, crowd: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """Match the predictions of one video and category, best score first.

    The rules of the official toolkits (`ytvoseval.py:262`, `evaluateVid`): each prediction
    takes the free ground truth of highest IoU, not below the threshold; a ground truth to be
    ignored only where no other qualifies; of equal IoUs the later one; crowds are never
    used up. One deviation: an annotation whose id is 0 can be matched like any other (there,
    0 means "no match").

    Args:
        ious: (D, G), rows in descending order of score.
        ignored: (A, G) bool, ground truths that do not count in an area range.
        crowd: (G,) bool.
        thresholds: (T,) IoU thresholds.

    Returns:
        (A, T, D) int64, index of the ground truth each prediction took or `UNMATCHED`.
    """
    matches = np.full((len(ignored), len(thresholds), len(ious)), UNMATCHED)
    if not ious.size:
        return matches
    limits = np.minimum(thresholds, 1 - 1e-10)
    taken = np.zeros((len(ignored), len(thresholds), ious.shape[1]), dtype=bool)
    for row in np.flatnonzero(ious.max(axis=1) >= limits.min()):
        candidate = (ious[row] >= limits[:, None]) & ~taken  # (A, T, G)
        regular = candidate & ~ignored[:, None, :]
        candidate = np.where(regular.any(axis=2, keepdims=True), regular, candidate)
        ranked = np.where(candidate, ious[row], -1.0)[..., ::-1]
        best = ious.shape[1] - 1 - ranked.argmax(axis=2)  # the last of the highest
        found = candidate.any(axis=2)
        matches[..., row] = np.where(found, best, UNMATCHED)
        area, threshold = np.nonzero(found & ~crowd[best])
        taken[area, threshold, best[area, threshold]] = True
    return matches

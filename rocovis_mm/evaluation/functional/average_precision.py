"""Precision, recall and their means; T IoU thresholds, R recall points, D predictions."""

from __future__ import annotations

import numpy as np

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0.0, 1.0, 101)


def precision_recall(
    scores: np.ndarray,
    hits: np.ndarray,
    ignored: np.ndarray,
    positives: int,
    recall_points: np.ndarray = RECALL_POINTS,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interpolated precision and the final recall of ranked predictions.

    As `ytvoseval.py:326` (`accumulate`): a stable sort by descending score, precision made
    non-increasing from the right and read at the first rank that reaches each recall.

    Args:
        scores: (D,), in the order in which ties are to stand.
        hits: (T, D) bool, the prediction took a ground truth.
        ignored: (T, D) bool, it counts neither as right nor as wrong.
        positives: number of ground truths that count.
        recall_points: (R,) in ascending order.

    Returns:
        (T, R) precision and (T,) recall; all -1 without positives.
    """
    shape = (len(hits), len(recall_points))
    if positives == 0:
        return np.full(shape, -1.0), np.full(len(hits), -1.0)
    precision = np.zeros(shape)
    if not len(scores):
        return precision, np.zeros(len(hits))
    order = np.argsort(-scores, kind='mergesort')
    hits, ignored = hits[:, order], ignored[:, order]
    right = np.cumsum(hits & ~ignored, axis=1, dtype=np.float64)
    wrong = np.cumsum(~hits & ~ignored, axis=1, dtype=np.float64)
    recall = right / positives
    curve = right / (wrong + right + np.spacing(1))
    curve = np.maximum.accumulate(curve[:, ::-1], axis=1)[:, ::-1]
    for row, (reached, height) in enumerate(zip(recall, curve)):
        rank = np.searchsorted(reached, recall_points, side='left')
        inside = rank < len(scores)
        precision[row, inside] = height[rank[inside]]
    return precision, recall[:, -1]


def mean_valid(values: np.ndarray) -> float:
    """Return the mean of all entries above -1, or -1 where there is none."""
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else -1.0

"""How sure a difference of two methods is: whole videos are drawn anew, and the figures follow.

V videos, B resamples, S seeds, D predictions, T IoU thresholds, K categories.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rocovis_mm.evaluation.functional.average_precision import IOU_THRESHOLDS, RECALL_POINTS
from rocovis_mm.evaluation.functional.evaluate import Cell

MOST_DRAWN = 4_000_000
"""Resamples times predictions that are in memory at a time."""


def draw_counts(rng: np.random.Generator, resamples: int, size: int) -> np.ndarray:
    """Return (B, size) int: how often each of `size` things is drawn, with replacement."""
    return rng.multinomial(size, np.full(size, 1 / size), size=resamples)


def resampled_ap(videos: Sequence[Sequence[Cell]], counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return AP, AP50, AP75 and AP^Pool of each resample of the videos.

    A video that is drawn n times counts as n videos with the same matches, as
    ``accumulate`` would score them. Matching is not repeated.

    Args:
        videos: V lists of cells of one kind of tube IoU, as ``match_videos`` returns them.
        counts: (B, V), how often each video is in a resample.

    Returns:
        ``AP``, ``AP50``, ``AP75`` and ``AP_pool``, (B,) each; -1 where nothing counts.
    """
    number = max(1, sum(len(cell.scores) for cells in videos for cell in cells))
    blocks = np.array_split(counts, max(1, len(counts) * number // MOST_DRAWN))
    parts = [_resampled_block(videos, block) for block in blocks]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _resampled_block(videos: Sequence[Sequence[Cell]], counts: np.ndarray) -> dict[str, np.ndarray]:
    owned = [(video, cell) for video, cells in enumerate(videos) for cell in cells]
    by_category: dict[int, list[tuple[int, Cell]]] = {}
    for video, cell in owned:
        by_category.setdefault(cell.category_id, []).append((video, cell))
    sums, numbers = np.zeros((len(counts), len(IOU_THRESHOLDS))), np.zeros((len(counts), 1))
    for own in by_category.values():
        precision = _mean_precision(own, counts)
        sums += np.nan_to_num(precision)
        numbers += ~np.isnan(precision[:, :1])
    ap = np.where(numbers > 0, sums / np.maximum(numbers, 1), -1.0)
    pooled = np.nan_to_num(_mean_precision(owned, counts).mean(axis=1), nan=-1.0)
    at50, at75 = (int(np.abs(IOU_THRESHOLDS - place).argmin()) for place in (0.5, 0.75))
    return dict(AP=ap.mean(axis=1), AP50=ap[:, at50], AP75=ap[:, at75], AP_pool=pooled)


def _mean_precision(cells: Sequence[tuple[int, Cell]], counts: np.ndarray) -> np.ndarray:
    """Return (B, T) the precision averaged over recall points; NaN: no positives.

    As ``precision_recall``, for all resamples at once. Only right predictions are looked at: a
    wrong one never raises the precision, nor reaches a recall.

    Args:
        cells: each with the index of its video; the order of equal scores.
        counts: (B, V).
    """
    positives = sum(counts[:, video] * int(cell.positives[0]) for video, cell in cells)
    if not np.any(positives):
        return np.full((len(counts), len(IOU_THRESHOLDS)), np.nan)
    scores = np.concatenate([cell.scores for _, cell in cells])
    order = np.argsort(-scores, kind='mergesort')
    video_of = np.concatenate([np.full(len(cell.scores), video) for video, cell in cells])[order]
    hits = np.concatenate([cell.hits[0] for _, cell in cells], axis=1)[:, order]
    ignored = np.concatenate([cell.ignored[0] for _, cell in cells], axis=1)[:, order]
    drawn = counts[:, video_of]  # (B, D)
    total = np.zeros((len(counts), len(hits)))
    all_seen = None if ignored.any() else np.cumsum(drawn, axis=1)
    for column, (hit, unasked) in enumerate(zip(hits, ignored)):
        ranks = np.flatnonzero(hit & ~unasked)
        right = np.cumsum(drawn[:, ranks], axis=1)  # (B, R), R right predictions
        seen = np.cumsum(drawn * ~unasked, axis=1) if all_seen is None else all_seen
        seen = seen[:, ranks]
        with np.errstate(divide='ignore', invalid='ignore'):
            recall = right / positives[:, None]
        precision = right / (seen + np.spacing(1))
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALL_POINTS, np.nan_to_num(recall), side='right')
        steps = np.diff(reached, axis=1, prepend=0)  # recall points first reached at each rank
        total[:, column] = (precision * steps).sum(axis=1)
    return np.where(positives[:, None] > 0, total / len(RECALL_POINTS), np.nan)


def difference_interval(
    ours: np.ndarray, theirs: np.ndarray, seed_counts: np.ndarray, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval that holds the difference of two methods' mean over the seeds.

    The pairs are kept: both methods are scored on the same videos with the same seeds.

    Args:
        ours: (S, B) figures of one method, a column for each resample of the videos.
        theirs: (S, B) of the other one, with the same seeds and the same resamples.
        seed_counts: (B, S), how often each seed is in a resample.
        level: share of the resamples inside.
    """
    difference = ((ours - theirs) * seed_counts.T).sum(axis=0) / seed_counts.sum(axis=1)
    low, high = np.quantile(difference, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

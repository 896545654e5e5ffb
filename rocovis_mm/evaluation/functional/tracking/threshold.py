"""The score from which tracks should count; A thresholds of HOTA, K scores.

AP ranks the predictions, so that weak ones after the last hit cost nothing. HOTA counts each of
them as wrong, and a results file for AP holds many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from rocovis_mm.evaluation.functional.evaluate import (
    VideoGroup,
    group_by_category,
    group_by_video,
    video_cost,
)
from rocovis_mm.evaluation.functional.parallel import map_items
from rocovis_mm.evaluation.functional.tracking.frames import measure_kinds, with_masks
from rocovis_mm.evaluation.functional.tracking.hota import ALPHAS, count_hota, mean_hota
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track

SAME = 1e-12
"""Difference of two HOTA below which they are equal."""


class Threshold(NamedTuple):
    """A score threshold.

    Attributes:
        score: tracks of this score and above count.
        hota: class-averaged, the mean over A thresholds.
    """

    score: float
    hota: float


class Steps(NamedTuple):
    """The numbers that HOTA adds up in one video and class, as the score threshold falls.

    Attributes:
        scores: (K,) distinct, in descending order.
        added: (K, 2 A + 1), the numbers that each adds to the matches, to the sum of the
            association scores of the matches, and to the masks of predictions.
        truth_masks: masks of ground truths.
    """

    scores: np.ndarray
    added: np.ndarray
    truth_masks: int


def above(predictions: Sequence[Track], score: float) -> list[Track]:
    """Return the predictions of this score or a higher one."""
    return [track for track in predictions if track.score >= score]


def best_threshold(
    truth: GroundTruth, predictions: Sequence[Track], kind: str = 'segm', jobs: int = 1
) -> Threshold | None:
    """Find the threshold with the highest class-averaged HOTA among all scores of predictions.

    The search is exact. Similarities are computed once. A video and class is matched again for each
    score of its own, and between them nothing changes.

    Args:
        truth: the videos to score and their tracks.
        predictions: see `evaluate_tracking`.
        kind: see `evaluate_tracking`.
        jobs: processes to share the videos among.

    Returns:
        The highest of equally good thresholds; None where no threshold reaches a HOTA above 0.
    """
    groups = group_by_video(truth, predictions)
    by_class: dict[int, list[Steps]] = defaultdict(list)
    for video in map_items(partial(_video_steps, kind=kind), groups, video_cost, jobs):
        for category, steps in video.items():
            by_class[category].append(steps)
    curves = [_class_curve(cells) for cells in by_class.values()]
    scores = np.concatenate([np.zeros(0), *(curve[0] for curve in curves)])
    gains = np.concatenate([np.zeros(0), *(np.diff(curve[1], prepend=0) for curve in curves)])
    scores, total = _accumulate(scores, gains)
    highest = total.max(initial=0)
    if highest <= SAME:
        return None
    place = int((total >= highest - SAME).argmax())
    return Threshold(float(scores[place]), float(total[place]) / len(truth.categories))


def _video_steps(group: VideoGroup, kind: str) -> dict[int, Steps]:
    """Return the steps of each class of a video; predictions without ground truth count, too."""
    steps = {}
    for category, own in group_by_category(group).items():
        truths, found = map(with_masks, own)
        overlaps = measure_kinds(truths, found, [kind])[kind]
        everything = np.ones(len(truths), dtype=bool)
        scores = np.array([track.score for track in found])
        levels = np.unique(scores)[::-1]
        rows = np.zeros((len(levels) + 1, 2 * len(ALPHAS) + 1))
        for row, level in zip(rows[1:], levels):
            kept = scores >= level
            row[-1] = overlaps.found_masks[kept].sum()
            sums = count_hota(overlaps.restrict(everything, kept))
            row[:-1] = np.concatenate([sums['HOTA_TP'], sums['AssA']])
        steps[category] = Steps(levels, np.diff(rows, axis=0), int(overlaps.truth_masks.sum()))
    return steps


def _class_curve(cells: Sequence[Steps]) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores at which a class' HOTA may change, descending, and its HOTA from there."""
    scores, sums = _accumulate(
        np.concatenate([cell.scores for cell in cells]),
        np.concatenate([cell.added for cell in cells]),
    )
    hits, association, found = np.split(sums, [len(ALPHAS), 2 * len(ALPHAS)], axis=1)
    truths = sum(cell.truth_masks for cell in cells)
    # sums of differences may end a little below 0
    return scores, mean_hota(hits, truths + found - hits, np.maximum(association, 0))[0]


def _accumulate(scores: np.ndarray, added: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct scores in descending order and the sums of all that is added by then."""
    order = np.argsort(-scores, kind='stable')
    scores, sums = scores[order], np.cumsum(added[order], axis=0)
    last = np.append(scores[1:] != scores[:-1], np.ones(min(1, len(scores)), bool))
    return scores[last], sums[last]

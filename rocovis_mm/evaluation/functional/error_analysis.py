"""Errors of predictions, in counts a person can act on; D predictions, G ground truths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.evaluate import (
    VideoGroup,
    group_by_category,
    group_by_video,
    rank,
    video_cost,
)
from rocovis_mm.evaluation.functional.matching import GOOD_IOU, UNMATCHED, match_tracks
from rocovis_mm.evaluation.functional.parallel import map_items
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track
from rocovis_mm.evaluation.functional.tube_iou import frame_ious, mask_tube_iou

BACKGROUND_IOU = 0.1
"""Tube IoU below which a prediction has nothing to do with a track (as in TIDE)."""
SWITCH_GAP = 0.1
"""Share of a track's frames that other predictions have to hold for it to count as switched."""

PREDICTION_VERDICTS = ('correct', 'ignored', 'duplicate', 'wrong class', 'bad mask', 'background')


@dataclass
class ErrorReport:
    """Verdicts on all predictions and all ground-truth tracks that count (no crowds).

    Attributes:
        predictions: of each prediction: video, index in the file, class, score, verdict.
        tracks: of each ground-truth track: video, index in the file, class, whether it was
            missed or switched, the share of its frames held by its best prediction and the
            share held by all predictions together.
    """

    predictions: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Return the number of each verdict and the mean shares."""
        verdicts = Counter(row['verdict'] for row in self.predictions)
        count = len(self.tracks)
        figures: dict[str, float] = {name: verdicts[name] for name in PREDICTION_VERDICTS}
        figures['tracks'] = count
        for name in ('missed', 'switched'):
            figures[name] = sum(row[name] for row in self.tracks)
        for name in ('best_share', 'joint_share'):
            figures[name] = sum(row[name] for row in self.tracks) / count if count else -1.0
        return figures


def analyze_errors(
    truth: GroundTruth,
    predictions: Sequence[Track],
    min_score: float = float('-inf'),
    jobs: int = 1,
) -> ErrorReport:
    """Judge each prediction and each ground-truth track at tube IoU 0.5.

    A prediction is *correct* when the official matching gives it a track, *ignored* when it
    gives it a crowd; else *duplicate* (overlaps a track of its class that another one took by
    0.5 or more), *wrong class* (overlaps a track of another class by 0.5 or more), *bad mask*
    (overlaps some track by 0.1 or more) or *background*.

    A track is *missed* when no prediction took it, and *switched* when all predictions
    together hold at least half of its frames (frame IoU 0.5 or more), and a tenth or more
    of its frames are held by others than its best prediction alone.

    Args:
        truth: the ground truth.
        predictions: any order; at most 100 per video and class are judged, as in scoring.
        min_score: leave out predictions below.
        jobs: processes to share the videos among.
    """
    report = ErrorReport()
    kept = [track for track in predictions if track.score >= min_score]
    judge = partial(_judge_video, categories=truth.categories)
    for video in map_items(judge, group_by_video(truth, kept), video_cost, jobs):
        report.predictions += video.predictions
        report.tracks += video.tracks
    return report


def _judge_video(group: VideoGroup, categories: Mapping[int, str]) -> ErrorReport:
    wanted, found = group
    ranked = rank_by_class(found)
    ious = mask_tube_iou([t.tube for t in ranked], [t.tube for t in wanted])
    taken = match_by_class(ranked, wanted, ious)
    report = ErrorReport()
    report.predictions = [
        _prediction_row(track, categories, _verdict(track, wanted, row, match))
        for track, row, match in zip(ranked, ious, taken)
    ]
    best, joint = held_shares(ranked, wanted)
    for index, track in enumerate(wanted):
        if not track.crowd:
            row = _track_row(track, categories, float(best[index]), float(joint[index]))
            report.tracks.append({**row, 'missed': index not in taken})
    return report


def rank_by_class(found: Sequence[Track]) -> list[Track]:
    """Return the predictions of one video that are scored: class by class, best first."""
    by_class = group_by_category(([], list(found)))
    return [track for _, own in by_class.values() for track in rank(own)]


def match_by_class(found: Sequence[Track], wanted: Sequence[Track], ious: np.ndarray) -> np.ndarray:
    """Match the predictions of one video at tube IoU 0.5 by the official rules.

    Args:
        found: D predictions as :func:`rank_by_class` returns them.
        wanted: G ground truths.
        ious: (D, G) tube IoUs.

    Returns:
        (D,) the index of the ground truth each prediction takes, or `UNMATCHED`.
    """
    taken = np.full(len(found), UNMATCHED)
    crowd = np.array([track.crowd for track in wanted], dtype=bool)
    classes = np.array([track.category_id for track in wanted])
    own_class = np.array([track.category_id for track in found])
    for category in np.unique(own_class):
        rows, columns = np.flatnonzero(own_class == category), np.flatnonzero(classes == category)
        if len(columns):
            own = match_tracks(
                ious[np.ix_(rows, columns)],
                crowd[None, columns],
                crowd[columns],
                np.array([GOOD_IOU]),
            )[0, 0]
            taken[rows] = np.where(own == UNMATCHED, UNMATCHED, columns[own])
    return taken


def _verdict(track: Track, wanted: Sequence[Track], ious: np.ndarray, match: int) -> str:
    if match != UNMATCHED:
        return 'ignored' if wanted[match].crowd else 'correct'
    best = {True: 0.0, False: 0.0}  # highest IoU with tracks of the same class and of others
    for other, iou in zip(wanted, ious):
        if not other.crowd:
            same = other.category_id == track.category_id
            best[same] = max(best[same], float(iou))
    if best[True] >= GOOD_IOU:
        return 'duplicate'
    if best[False] >= GOOD_IOU:
        return 'wrong class'
    return 'bad mask' if max(best.values()) >= BACKGROUND_IOU else 'background'


def held_shares(found: Sequence[Track], wanted: Sequence[Track]) -> tuple[np.ndarray, np.ndarray]:
    """Return how much of each track is held, in frames, whatever the class says.

    Returns:
        (G,) share of a track's frames in which its best single prediction has frame IoU 0.5
        or more with it, and (G,) the share in which any prediction has; 0 for an empty track.
    """
    held = np.zeros((len(found), len(wanted)))
    held_by_any = np.zeros(len(wanted))
    for _, rows, columns, ious in frame_ious([t.tube for t in found], [t.tube for t in wanted]):
        good = ious >= GOOD_IOU
        held[np.ix_(rows, columns)] += good
        held_by_any[columns] += good.any(axis=0)
    frames = np.array([max(1, np.count_nonzero(track.tube.areas)) for track in wanted])
    return held.max(axis=0, initial=0) / frames, held_by_any / frames


def _prediction_row(track: Track, categories: Mapping[int, str], verdict: str) -> dict[str, Any]:
    return {
        'video_id': track.video_id,
        'index': track.index,
        'class': categories[track.category_id],
        'score': track.score,
        'verdict': verdict,
    }


def _track_row(
    track: Track, categories: Mapping[int, str], best: float, joint: float
) -> dict[str, Any]:
    return {
        'video_id': track.video_id,
        'index': track.index,
        'class': categories[track.category_id],
        'best_share': best,
        'joint_share': joint,
        # the margin takes up the rounding of the two quotients
        'switched': joint >= GOOD_IOU and joint - best >= SWITCH_GAP - 1e-9,
    }

"""Temporal consistency of matched tracks: jitter of the boundary, and flicker.

Letters: T frames · R runs · D predictions · G ground truths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.boundary import (
    block_areas,
    boundary_width,
    column_runs,
    cut_boundary,
)
from rocovis_mm.evaluation.functional.error_analysis import match_by_class, rank_by_class
from rocovis_mm.evaluation.functional.evaluate import VideoGroup, group_by_video, video_cost
from rocovis_mm.evaluation.functional.matching import UNMATCHED
from rocovis_mm.evaluation.functional.parallel import map_items
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track
from rocovis_mm.evaluation.functional.tube_iou import mask_tube_iou
from rocovis_mm.formats.run_lengths import Runs, Tube, intersect


@dataclass(frozen=True)
class TrackConsistency:
    """The figures of a matched track.

    Attributes:
        video_id: its video.
        truth: index of the ground truth in its file.
        prediction: index of the prediction in its file.
        jitter: mean of the boundary's excess change, 0 to 1; -1 without a pair of frames.
        flicker: share of the frames of the track's life in which it is lost, 0 to 1.
        lost_frames: number of these frames.
    """

    video_id: int
    truth: int
    prediction: int
    jitter: float
    flicker: float
    lost_frames: int


class _Film:
    """A tube whose runs are computed once."""

    def __init__(self, tube: Tube) -> None:
        self.tube = tube
        self.gap = 2 * boundary_width(tube.height, tube.width)
        self.frame = (tube.width + self.gap) * tube.height  # positions of a frame

    @cached_property
    def runs(self) -> Runs:
        """The masks, as `column_runs` with `gap` returns them."""
        return column_runs(self.tube, self.gap)

    def places(self, runs: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the frame of each run of the masks or of a part of them, and its first x and y."""
        column = runs.starts // self.tube.height
        frame, x = np.divmod(column, self.tube.width + self.gap)
        return frame, x, runs.starts - column * self.tube.height


def track_consistency(
    truth: GroundTruth, predictions: Sequence[Track], jobs: int = 1
) -> list[TrackConsistency]:
    """Measure each ground-truth track that the official matching gives a prediction.

    Tracks are matched within their class at tube IoU 0.5. Crowds do not count. The jitter is that
    of the masks whose boundaries Tube-Boundary AP takes, see `Track.outline`. The flicker is that
    of the masks that are matched.

    Args:
        truth: the ground truth.
        predictions: any order; at most 100 per video and class take part, as in scoring.
        jobs: processes to share the videos among.

    Returns:
        A row for each matched track; videos in ascending order of id.
    """
    groups = group_by_video(truth, predictions)
    return [row for rows in map_items(_measure_video, groups, video_cost, jobs) for row in rows]


def _measure_video(group: VideoGroup) -> list[TrackConsistency]:
    wanted, found = group
    ranked = rank_by_class(found)
    ious = mask_tube_iou([t.tube for t in ranked], [t.tube for t in wanted])
    rows = []
    for prediction, match in zip(ranked, match_by_class(ranked, wanted, ious)):
        if match == UNMATCHED or wanted[match].crowd:
            continue
        own = wanted[match]
        film, masks = _Film(prediction.tube), _Film(own.tube)
        flicker, lost = _flicker(film, masks)
        jitter = _jitter(film, masks if own.boundary_tube is None else _Film(own.outline))
        rows.append(
            TrackConsistency(own.video_id, own.index, prediction.index, jitter, flicker, lost)
        )
    return rows


def summarize_consistency(rows: Sequence[TrackConsistency]) -> dict[str, Any]:
    """Return the means over tracks, the means over videos, and the figures of each video.

    Returns:
        ``jitter`` and ``flicker``: means over the tracks; ``jitter_videos`` and
        ``flicker_videos``: means over the videos of the means over their tracks;
        ``lost_frames``: sum; ``matched_tracks``: number; ``videos``: the figures of each video
        with a matched track. -1 where there is nothing to measure.
    """
    by_video: dict[int, list[TrackConsistency]] = {}
    for row in rows:
        by_video.setdefault(row.video_id, []).append(row)
    videos = [{'video_id': video, **_means(own)} for video, own in by_video.items()]
    return {
        **_means(rows),
        'jitter_videos': _mean([video['jitter'] for video in videos]),
        'flicker_videos': _mean([video['flicker'] for video in videos]),
        'videos': videos,
    }


def _means(rows: Sequence[TrackConsistency]) -> dict[str, Any]:
    return {
        'jitter': _mean([row.jitter for row in rows]),
        'flicker': _mean([row.flicker for row in rows]),
        'lost_frames': sum(row.lost_frames for row in rows),
        'matched_tracks': len(rows),
    }


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the values that were measured, or -1."""
    measured = [value for value in values if value >= 0]
    return sum(measured) / len(measured) if measured else -1.0


def jitter_of(prediction: Tube, truth: Tube) -> float:
    """Return by how much a boundary changes more than the ground truth's from frame to frame.

    For two consecutive frames in which both tubes have pixels, d is the motion of the ground
    truth's centroid, rounded to whole pixels. Both boundaries of the first frame are shifted by d.
    b_truth and b_prediction are the Boundary IoUs of the shifted boundary with that of the second
    frame. The jitter is the mean of ``max(0, b_truth - b_prediction)`` over these pairs of frames.

    A copy of the ground truth has jitter 0 however it moves and deforms, and so has a copy at a
    constant offset inside the image.

    Returns:
        0 (steady) to 1, or -1 without such a pair of frames.
    """
    return _jitter(_Film(prediction), _Film(truth))


def _jitter(prediction: _Film, truth: _Film) -> float:
    present = (truth.tube.areas > 0) & (prediction.tube.areas > 0)
    pairs = present[1:] & present[:-1]
    if not pairs.any():
        return -1.0
    motion = np.rint(np.diff(_centroids(truth), axis=0))
    motion = np.where(pairs[:, None], motion, 0).astype(np.int64)
    own = _boundary_changes(truth, motion)
    other = _boundary_changes(prediction, motion)
    return float(np.maximum(0, own - other)[pairs].mean())


def _centroids(film: _Film) -> np.ndarray:
    """Return (T, 2) float64 mean x and y of the pixels of each frame; NaN without pixels."""
    areas, lengths = film.tube.areas, film.runs.ends - film.runs.starts
    frame, x, y = film.places(film.runs)
    centres = x, y + (lengths - 1) / 2
    sums = np.stack([np.bincount(frame, v * lengths, len(areas)) for v in centres], axis=1)
    return np.divide(sums, areas[:, None], out=np.full_like(sums, np.nan), where=areas[:, None] > 0)


def _boundary_changes(film: _Film, motion: np.ndarray) -> np.ndarray:
    """Return (T - 1,) the Boundary IoU of each frame, shifted, with the next.

    The boundaries are moved on a plane without borders: no pixel is lost at the image's edge.

    Args:
        film: the masks.
        motion: (T - 1, 2) int64, shift of each frame in x and y, less than the image's size.
    """
    width, height = film.tube.width + film.gap, film.tube.height
    runs = cut_boundary(film.runs, film.tube)
    frame, x, y = film.places(runs)
    lengths = runs.ends - runs.starts

    def place(rows: np.ndarray, slot: np.ndarray, shift: np.ndarray) -> Runs:
        """Return runs on a plane of three times the size for each pair of frames."""
        across = slot * 3 * width + width + x[rows] + shift[:, 0]
        starts = across * 3 * height + height + y[rows] + shift[:, 1]
        return Runs(starts, starts + lengths[rows])

    first, second = np.flatnonzero(frame < len(motion)), np.flatnonzero(frame > 0)
    moved = place(first, frame[first], motion[frame[first]])
    still = place(second, frame[second] - 1, np.zeros((len(second), 2), dtype=np.int64))
    blocks = 9 * width * height, len(motion)
    areas = [block_areas(runs, *blocks) for runs in (moved, still)]
    common = block_areas(intersect(moved, still), *blocks)
    united = areas[0] + areas[1] - common
    return np.divide(common, united, out=np.ones_like(common), where=united > 0)


def flicker_of(prediction: Tube, truth: Tube) -> tuple[float, int]:
    """Return how much of a track's life its prediction loses.

    A frame is held if both masks share a pixel. The life is from the first to the last held
    frame. A frame of the life is lost if the ground truth has pixels in it and it is not held.

    Returns:
        lost frames over frames of the life in which the ground truth has pixels (0 for a track
        without a held frame), and the number of lost frames.
    """
    return _flicker(_Film(prediction), _Film(truth))


def _flicker(prediction: _Film, truth: _Film) -> tuple[float, int]:
    areas = truth.tube.areas
    held = block_areas(intersect(prediction.runs, truth.runs), truth.frame, len(areas)) > 0
    if not held.any():
        return 0.0, 0
    first, last = np.flatnonzero(held)[[0, -1]]
    present = areas[first : last + 1] > 0
    lost = int((present & ~held[first : last + 1]).sum())
    return lost / int(present.sum()), lost

"""Ground truths set apart by size and by occlusion.

Letters: T frames, N tracks of a video.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.evaluate import AREA_RANGES, TrackGroup
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track
from rocovis_mm.evaluation.functional.video_groups import boxes
from rocovis_mm.formats.validation import Place, describe, require_type

SIZES = dict(zip(('small', 'medium', 'large'), AREA_RANGES[1:]))
OCCLUSION_LEVELS = {'slight': (0.0, 0.25), 'moderate': (0.25, 0.5), 'heavy': (0.5, 1.0)}
"""Both ends belong to a level (OVIS' `oviseval.py`, `Params.setDetParams`, `occRng`)."""
MARK_SCORES = {'no_occlusion': 0.0, 'slight_occlusion': 0.25, 'severe_occlusion': 0.75}
"""Score of the mark of a frame (OVIS' `oviseval.py`, `OVISeval.__init__`, `occann2score`)."""
MARK_REMEDY = f'occlusion is a list with one of {", ".join(MARK_SCORES)} or null for each frame'


def group_by_size(truth: GroundTruth, predictions: Sequence[Track]) -> list[TrackGroup]:
    """Return the small, medium and large tracks, by the area ranges of APs, APm and APl.

    A prediction outside of the range is not wrong if it takes nothing, as in `ytvoseval.py:262`
    (`evaluateVid`). AP of a group equals APs, APm or APl.
    """
    return [
        TrackGroup(name, _within(truth.tracks, *ends), _within(predictions, *ends))
        for name, ends in SIZES.items()
    ]


def _within(tracks: Sequence[Track], low: float, high: float) -> set[int]:
    return {track.index for track in tracks if low <= track.average_area <= high}


def group_by_occlusion(content: Mapping[str, Any], truth: GroundTruth) -> list[TrackGroup]:
    """Return the tracks of each level of occlusion; one at a border is in two levels.

    Any prediction that takes nothing is wrong in each level, as in OVIS' `oviseval.py`
    (`evaluateVid`).

    Args:
        content: of the annotation file. Without ``occlusion`` in any annotation, the boxes of the
            masks give the scores.
        truth: the videos to score, read from `content`.

    Raises:
        ValueError: some annotations have ``occlusion`` and others do not, or it is malformed.
    """
    records, place = content['annotations'], Place(truth.name) / 'annotations'
    if any('occlusion' in record for record in records):
        scores = {
            track.index: marked_occlusion(
                records[track.index],
                truth.videos[track.video_id].length,
                place / track.index / 'occlusion',
            )
            for track in truth.tracks
        }
    else:
        scores = box_occlusions(truth)
    return [
        TrackGroup(name, {index for index, score in scores.items() if low <= score <= high})
        for name, (low, high) in OCCLUSION_LEVELS.items()
    ]


def marked_occlusion(record: Mapping[str, Any], length: int, place: Place) -> float:
    """Return the occlusion score of an annotation from its marks.

    Args:
        record: the annotation.
        length: T.
        place: of its marks.

    Raises:
        ValueError: it has no marks, or malformed ones.
    """
    if 'occlusion' not in record:
        place.fail('missing, where other annotations have it', 'give all annotations occlusion')
    marks = require_type(record['occlusion'], list, place, MARK_REMEDY)
    if len(marks) != length:
        place.fail(f'{len(marks)} entries for a video of {length} frames', MARK_REMEDY)
    for frame, mark in enumerate(marks):
        if mark is not None and not (isinstance(mark, str) and mark in MARK_SCORES):
            (place / frame).fail(f'unknown mark {describe(mark)}', MARK_REMEDY)
    return mean_of_upper_half([MARK_SCORES[mark] for mark in marks if mark is not None])


def mean_of_upper_half(scores: Sequence[float]) -> float:
    """Return the mean of the higher half of scores, an odd one included; 0 for none.

    As OVIS' `oviseval.py` (`_prepare`): an object counts by its most occluded frames.
    """
    upper = sorted(scores)[-math.ceil(len(scores) / 2) :]
    return sum(upper) / len(upper) if upper else 0.0


def box_occlusions(truth: GroundTruth) -> dict[int, float]:
    """Return the occlusion score of each track by its `index`, from boxes.

    The score of a frame is the share of the track's box that boxes of other tracks cover. It is
    the bounding-box occlusion rate of the OVIS paper (arXiv 2102.01558, section 3), taken for
    each object instead of for the frame. Crowds cover nothing and have score 0.
    """
    by_video: dict[int, list[Track]] = {}
    shares: dict[int, list[float]] = {track.index: [] for track in truth.tracks}
    for track in truth.tracks:
        if not track.crowd:
            by_video.setdefault(track.video_id, []).append(track)
    for tracks in by_video.values():
        seen = np.stack([track.tube.areas > 0 for track in tracks])  # (N, T)
        corners = np.zeros((*seen.shape, 4))
        for row, track in enumerate(tracks):
            corners[row, seen[row]] = boxes(track.tube, np.flatnonzero(seen[row]))
        for frame in range(seen.shape[1]):
            rows = np.flatnonzero(seen[:, frame])
            for row, share in zip(rows, covered_shares(corners[rows, frame])):
                shares[tracks[row].index].append(float(share))
    return {index: mean_of_upper_half(own) for index, own in shares.items()}


def covered_shares(corners: np.ndarray) -> np.ndarray:
    """Return the share of each box's area that the other boxes cover together.

    Args:
        corners: (N, 4) left, top, right, bottom; no box is empty.

    Returns:
        (N,) from 0 to 1.
    """
    xs, ys = np.unique(corners[:, ::2]), np.unique(corners[:, 1::2])
    left, top, right, bottom = corners.T[:, :, None]
    columns = (left <= xs[:-1]) & (xs[:-1] < right)  # (N, columns of the grid of all edges)
    rows = (top <= ys[:-1]) & (ys[:-1] < bottom)
    inside = rows[:, :, None] & columns[:, None, :]
    cells = np.diff(ys)[:, None] * np.diff(xs)
    covered = ((inside.sum(axis=0) > 1) & inside) * cells
    return covered.sum(axis=(1, 2)) / (inside * cells).sum(axis=(1, 2))

"""Similarities of masks, frame by frame; G ground truths, D predictions, T frames.

g and d are those of them that have a mask in one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rocovis_mm.evaluation.functional.boundary import frame_areas, tube_boundary
from rocovis_mm.evaluation.functional.tracks import Track
from rocovis_mm.evaluation.functional.tube_iou import frame_ious
from rocovis_mm.formats.run_lengths import intersect


class Frame(NamedTuple):
    """A frame in which both sides have masks.

    Attributes:
        index: of the frame in its video.
        truths: (g,) int, indices of ground truths.
        found: (d,) int, indices of predictions.
        similarity: (g, d) float64 from 0 to 1, in Fortran order as TrackEval has it: numpy adds in
            another order otherwise, and ties are decided otherwise.
    """

    index: int
    truths: np.ndarray
    found: np.ndarray
    similarity: np.ndarray


@dataclass(frozen=True)
class Overlaps:
    """All that the tracking metrics need to know of the tracks of one video.

    Tracks without a mask are not there. A mask without a pixel is one.

    Attributes:
        length: T.
        truth_masks: (G,) int, frames in which each ground truth has a mask.
        found_masks: (D,) int, the same of each prediction.
        frames: those in which both sides have masks, in their order.
    """

    length: int
    truth_masks: np.ndarray
    found_masks: np.ndarray
    frames: list[Frame]

    def restrict(self, truths: np.ndarray, found: np.ndarray) -> Overlaps:
        """Return the overlaps of some of the tracks.

        Args:
            truths: (G,) bool, ground truths to keep.
            found: (D,) bool, predictions to keep.
        """
        frames = []
        if truths.any() and found.any():
            new_truth, new_found = np.cumsum(truths) - 1, np.cumsum(found) - 1
            for index, rows, columns, similarity in self.frames:
                own, other = truths[rows], found[columns]
                if own.any() and other.any():
                    rows, columns = new_truth[rows[own]], new_found[columns[other]]
                    frames.append(Frame(index, rows, columns, similarity[own][:, other]))
        return Overlaps(self.length, self.truth_masks[truths], self.found_masks[found], frames)


def with_masks(tracks: Sequence[Track]) -> list[Track]:
    """Return the tracks that have a mask in some frame, with pixels or without."""
    return [track for track in tracks if any(code is not None for code in track.tube.counts)]


def distinct(predictions: Sequence[Track]) -> list[int]:
    """Return the indices of the predictions of one video that repeat no other's masks.

    Of predictions of the same masks, such as those of one query under several classes, the one
    with the highest score stays, the first one of equal scores.
    """
    best: dict[tuple[str | None, ...], int] = {}
    for index, track in enumerate(predictions):
        masks = tuple(track.tube.counts)
        if track.score > predictions[best.setdefault(masks, index)].score:
            best[masks] = index
    return sorted(best.values())


def measure_overlaps(truths: Sequence[Track], found: Sequence[Track]) -> Overlaps:
    """Return the mask IoUs of the tracks of one video.

    Args:
        truths: G ground truths that have masks, see :func:`with_masks`. Crowds are as good as any.
        found: D predictions that have masks.
    """
    tubes = [track.tube for track in truths], [track.tube for track in found]
    frames = [
        Frame(index, np.array(rows), np.array(columns), similarity)
        for index, rows, columns, similarity in frame_ious(*tubes)
    ]
    length = max((len(track.tube.counts) for track in (*truths, *found)), default=0)
    return Overlaps(length, _count_masks(truths), _count_masks(found), frames)


def _count_masks(tracks: Sequence[Track]) -> np.ndarray:
    counts = [sum(code is not None for code in track.tube.counts) for track in tracks]
    return np.array(counts, dtype=np.int64)


def limit_frames(overlaps: Overlaps, truths: Sequence[Track], found: Sequence[Track]) -> Overlaps:
    """Return min(mask IoU, boundary IoU) of each frame, the mask IoU alone for crowds.

    What `limit_by_boundary` does with whole tubes. Boundaries are computed of tracks that overlap
    one of the other side.

    Args:
        overlaps: of the masks.
        truths: the G ground truths.
        found: the D predictions.
    """
    meet = np.zeros((len(truths), len(found)), dtype=bool)
    for _, rows, columns, similarity in overlaps.frames:
        meet[rows[:, None], columns] |= similarity > 0
    meet[np.array([track.crowd for track in truths], dtype=bool)] = False
    outlines = {j: tube_boundary(found[j].tube) for j in np.flatnonzero(meet.any(axis=0))}
    limits = [np.ones(overlaps.length)]  # of pair 0: those that do not meet
    pair_of = np.zeros(meet.shape, dtype=np.int64)
    for row in np.flatnonzero(meet.any(axis=1)):
        tube = truths[row].outline
        outline = tube_boundary(tube)
        own = frame_areas(outline, tube)
        for column in np.flatnonzero(meet[row]):
            other = outlines[column]
            common = frame_areas(intersect(outline, other), tube)
            united = own + frame_areas(other, tube) - common
            pair_of[row, column] = len(limits)
            limits.append(np.divide(common, united, out=np.zeros(len(own)), where=united > 0))
    table = np.stack(limits, axis=1)  # (T, pairs)
    frames = [
        frame._replace(
            similarity=np.minimum(
                frame.similarity, table[frame.index][pair_of[frame.truths[:, None], frame.found]]
            )
        )
        for frame in overlaps.frames
    ]
    return replace(overlaps, frames=frames)

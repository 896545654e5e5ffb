"""Similarities of masks, frame by frame; G ground truths, D predictions, T frames, N entries.

An entry is a ground truth's mask and a prediction's mask of one frame that overlap. Few do, so that
the work grows with the entries, not with G x D x T.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from rocovis_mm.evaluation.functional.boundary import frame_areas, tube_boundary
from rocovis_mm.evaluation.functional.tracks import Track
from rocovis_mm.evaluation.functional.tube_iou import frame_ious
from rocovis_mm.formats.run_lengths import Runs, Tube, intersect

EPSILON = np.finfo(float).eps
"""Rounding that TrackEval allows below a threshold of HOTA and of CLEAR."""

LEAD = 1e-9
"""Difference of two values above which rounding does not decide."""


class Places(NamedTuple):
    """Where the masks of entries are among all masks of their frames, on one side.

    Attributes:
        places: (N,) int.
        sizes: T numbers of masks.
    """

    places: np.ndarray
    sizes: list[int]

    @classmethod
    def among(cls, present: np.ndarray, frames: np.ndarray, tracks: np.ndarray) -> Places:
        """Return the places of the masks of (N,) tracks in (N,) frames."""
        number = np.cumsum(present, axis=1)
        return cls(number[frames, tracks] - 1, present.sum(axis=1).tolist())


@dataclass(frozen=True)
class Overlaps:
    """All that the tracking metrics need to know of the tracks of one video.

    A mask without a pixel is a mask; a track without a mask in any frame is none.

    Attributes:
        truth_present: (T, G) bool, the frames in which each ground truth has a mask.
        found_present: (T, D) bool, the same of each prediction.
        frames: (N,) int, ascending, the frame of each entry.
        truths: (N,) int, its ground truth; ascending within a frame.
        found: (N,) int, its prediction; ascending within a frame and a ground truth.
        similarity: (N,) float64 above 0, at most 1.
    """

    truth_present: np.ndarray
    found_present: np.ndarray
    frames: np.ndarray
    truths: np.ndarray
    found: np.ndarray
    similarity: np.ndarray

    @cached_property
    def truth_masks(self) -> np.ndarray:
        """(G,) int, how many masks each ground truth has."""
        return self.truth_present.sum(axis=0)

    @cached_property
    def found_masks(self) -> np.ndarray:
        """(D,) int, how many masks each prediction has."""
        return self.found_present.sum(axis=0)

    @cached_property
    def truth_places(self) -> Places:
        """Places of the entries' ground truths."""
        return Places.among(self.truth_present, self.frames, self.truths)

    @cached_property
    def found_places(self) -> Places:
        """Places of the entries' predictions."""
        return Places.among(self.found_present, self.frames, self.found)

    def restrict(self, truths: np.ndarray, found: np.ndarray) -> Overlaps:
        """Return the overlaps of some of the tracks.

        Args:
            truths: (G,) bool, ground truths to keep.
            found: (D,) bool, predictions to keep.
        """
        kept = self.select(truths[self.truths] & found[self.found])
        return replace(
            kept,
            truth_present=self.truth_present[:, truths],
            found_present=self.found_present[:, found],
            truths=(np.cumsum(truths) - 1)[kept.truths],
            found=(np.cumsum(found) - 1)[kept.found],
        )

    def select(self, entries: np.ndarray) -> Overlaps:
        """Return the same tracks with some of the entries.

        Args:
            entries: (N,) bool.
        """
        names = ('frames', 'truths', 'found', 'similarity')
        return replace(self, **{name: getattr(self, name)[entries] for name in names})

    def contested(self) -> np.ndarray:
        """Return (N,) bool, entries of frames in which some mask has more than one.

        In all other frames each entry is a pair of the best assignment, whatever decides.
        """
        busy = np.zeros(len(self.truth_present), dtype=bool)
        for tracks in (self.truths, self.found):
            key = self.frames * (tracks.max(initial=0) + 1) + tracks
            busy[self.frames[np.bincount(key)[key] > 1]] = True
        return busy[self.frames]

    def slices(self, entries: np.ndarray) -> Iterator[tuple[int, slice]]:
        """Yield each frame of some entries, and all the entries of that frame.

        Args:
            entries: (N,) bool.
        """
        frames = np.unique(self.frames[entries])
        begins = np.searchsorted(self.frames, frames)
        ends = np.searchsorted(self.frames, frames, side='right')
        for frame, begin, end in zip(frames.tolist(), begins.tolist(), ends.tolist()):
            yield frame, slice(begin, end)

    def assign(self, frame: int, entries: slice, values: np.ndarray) -> np.ndarray:
        """Assign a frame's masks one to one, so that the sum of the values is highest.

        Of equally good assignments it is the one of TrackEval, which assigns all masks of a frame,
        ground truths first.

        Args:
            frame: the frame.
            entries: of the frame.
            values: one for each of the entries, above 0.

        Returns:
            One bool for each of the entries.
        """
        winners = _clear_winners(self.truths[entries], self.found[entries], values)
        if winners is not None:
            return winners
        row, column = self.truth_places.places[entries], self.found_places.places[entries]
        full = np.zeros((self.truth_places.sizes[frame], self.found_places.sizes[frame]))
        full[row, column] = -values
        pairs = linear_sum_assignment(full)
        partner = np.full(len(full), -1)
        partner[pairs[0]] = pairs[1]
        return partner[row] == column


def _clear_winners(truths: np.ndarray, found: np.ndarray, values: np.ndarray) -> np.ndarray | None:
    """Let each ground truth take the prediction of its highest value.

    This is the only best assignment if no two take the same prediction and all lead clearly. It
    takes a fraction of the time of a general solver.

    Args:
        truths: the ground truth of each entry of a frame.
        found: the prediction of each entry.
        values: above 0.

    Returns:
        One bool for each of the entries, or None if the assignment is not of this kind.
    """
    own, scores = truths.tolist(), values.tolist()
    best: dict[int, int] = {}
    for entry, truth in enumerate(own):
        if scores[entry] > scores[best.setdefault(truth, entry)]:
            best[truth] = entry
    for entry, truth in enumerate(own):
        if entry != best[truth] and scores[entry] > scores[best[truth]] - LEAD:
            return None
    winners = list(best.values())
    if len(set(found[winners].tolist())) < len(winners):
        return None
    chosen = np.zeros(len(own), dtype=bool)
    chosen[winners] = True
    return chosen


def with_masks(tracks: Sequence[Track]) -> list[Track]:
    """Return the tracks that have a mask in some frame, with pixels or without."""
    return [track for track in tracks if any(code is not None for code in track.tube.counts)]


def distinct(predictions: Sequence[Track]) -> list[int]:
    """Return the indices of the predictions of one video that do not repeat an earlier one's masks.

    See `Track.masks`.
    """
    first: dict[tuple[str | None, ...], int] = {}
    for index, track in enumerate(predictions):
        first.setdefault(track.masks, index)
    return list(first.values())


def measure_overlaps(truths: Sequence[Track], found: Sequence[Track]) -> Overlaps:
    """Return the mask IoUs of the tracks of one video.

    Args:
        truths: G ground truths that have masks, see :func:`with_masks`. Crowds count as other
            ground truths.
        found: D predictions that have masks.
    """
    parts = [(np.zeros(0, np.int64),) * 3 + (np.zeros(0),)]
    tubes = [track.tube for track in truths], [track.tube for track in found]
    for frame, rows, columns, ious in frame_ious(*tubes):
        row, column = ious.nonzero()
        truth, prediction = np.array(rows)[row], np.array(columns)[column]
        parts.append((np.full(len(row), frame), truth, prediction, ious[row, column]))
    length = max((len(track.tube.counts) for track in (*truths, *found)), default=0)
    present = (_present(own, length) for own in (truths, found))
    return Overlaps(*present, *map(np.concatenate, zip(*parts)))


def _present(tracks: Sequence[Track], length: int) -> np.ndarray:
    present = [[code is not None for code in track.tube.counts] for track in tracks]
    return np.array(present, dtype=bool).reshape(len(tracks), length).T


def limit_by_frame_boundary(
    overlaps: Overlaps, truths: Sequence[Track], found: Sequence[Track]
) -> Overlaps:
    """Return min(mask IoU, boundary IoU) of each entry, the mask IoU alone for crowds.

    `limit_by_boundary` does the same with whole tubes. A track's boundary is computed if the track
    overlaps one of the other side.

    Args:
        overlaps: of the masks.
        truths: the G ground truths.
        found: the D predictions.
    """
    pairs, pair = np.unique(overlaps.truths * len(found) + overlaps.found, return_inverse=True)
    limits = np.ones((len(pairs), len(overlaps.truth_present)))
    outlines = {j: _measure_boundary(found[j].tube) for j in np.unique(overlaps.found)}
    row = None
    for index, (truth, prediction) in enumerate(zip(*np.divmod(pairs, max(1, len(found))))):
        tube = truths[truth].outline
        if truths[truth].crowd:
            continue
        if truth != row:
            row, (own, own_areas) = truth, _measure_boundary(tube)
        other, other_areas = outlines[prediction]
        common = frame_areas(intersect(own, other), tube)
        united = own_areas + other_areas - common
        limits[index] = np.divide(common, united, out=np.zeros(len(common)), where=united > 0)
    limited = replace(
        overlaps, similarity=np.minimum(overlaps.similarity, limits[pair, overlaps.frames])
    )
    return limited.select(limited.similarity > 0)


def _measure_boundary(tube: Tube) -> tuple[Runs, np.ndarray]:
    """Return a tube's boundary and its (T,) pixels in each frame."""
    boundary = tube_boundary(tube)
    return boundary, frame_areas(boundary, tube)


def measure_kinds(
    truths: Sequence[Track], found: Sequence[Track], kinds: Sequence[str]
) -> dict[str, Overlaps]:
    """Return the similarities of each kind of the tracks of one video.

    Args:
        truths: G ground truths that have masks.
        found: D predictions that have masks.
        kinds: 'segm' for mask IoUs, 'boundary' for :func:`limit_by_frame_boundary`.
    """
    masks = measure_overlaps(truths, found)
    return {
        kind: limit_by_frame_boundary(masks, truths, found) if kind == 'boundary' else masks
        for kind in kinds
    }

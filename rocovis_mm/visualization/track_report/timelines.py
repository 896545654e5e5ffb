"""The state of each track in each frame; T frames, D predictions, G annotated tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from rocovis_mm.evaluation.functional.clip_events import HEAVY_OCCLUSION
from rocovis_mm.evaluation.functional.error_analysis import GOOD_IOU
from rocovis_mm.evaluation.functional.tube_iou import frame_ious
from rocovis_mm.formats.run_lengths import Tube

NOBODY = -1
HELD, MISSED, STRAY = 'held', 'missed', 'stray'
LOST, PRESENT, ABSENT = 'lost', 'present', 'absent'


@dataclass(frozen=True)
class Span:
    """Frames in which nothing changes.

    Attributes:
        start: first frame, from 0.
        end: one past the last.
        state: one of the six.
        partner: index of the track on the other side, where the state is 'held'; else -1.
        occluded: whether most of the annotated track is hidden.
        switched: whether the partner is another one than before, at the first frame.
    """

    start: int
    end: int
    state: str
    partner: int
    occluded: bool
    switched: bool


@dataclass(frozen=True)
class Timeline:
    """The state of one track in each frame.

    Attributes:
        states: T names. Of an annotated track: 'held' (a prediction has frame IoU 0.5 or
            more with it), 'missed' (present, none has) or 'absent'. Of a prediction: 'held' (it
            covers an annotated track so), 'stray' (it covers none), 'lost' (it has no mask
            though the track it covers most often is there) or 'absent'. Where nothing is
            annotated: 'present' or 'absent'.
        partners: (T,) index of the track on the other side, or -1.
        occluded: (T,) bool; an annotated track shows less than 0.4 of its largest area.
        switched: (T,) bool; the partner is another one than the one before. Where nothing
            is annotated: the mask has not a pixel in common with the one before.
    """

    states: list[str]
    partners: np.ndarray
    occluded: np.ndarray
    switched: np.ndarray

    def spans(self) -> list[Span]:
        """Return the timeline as runs of frames."""
        keys = list(zip(self.states, self.partners.tolist(), self.occluded.tolist()))
        starts = [
            t for t in range(len(keys)) if t == 0 or keys[t] != keys[t - 1] or self.switched[t]
        ]
        return [
            Span(start, end, *keys[start], bool(self.switched[start]))
            for start, end in zip(starts, [*starts[1:], len(keys)])
        ]

    def count(self, state: str) -> int:
        """Return the number of frames in a state."""
        return self.states.count(state)

    @property
    def breaks(self) -> int:
        """Times the track is gone and comes back."""
        there = np.array([state not in (ABSENT, LOST) for state in self.states], dtype=bool)
        starts = np.count_nonzero(there[1:] & ~there[:-1]) + int(there[:1].any())
        return max(0, starts - 1)

    @property
    def partner_order(self) -> list[int]:
        """Partners in order of time, without immediate repeats."""
        met = [partner for partner in self.partners.tolist() if partner != NOBODY]
        return [partner for n, partner in enumerate(met) if n == 0 or partner != met[n - 1]]


def presence(tubes: Sequence[Tube], length: int) -> np.ndarray:
    """Return (n, T) bool: which tubes have pixels in which frames."""
    return np.array([tube.areas > 0 for tube in tubes], dtype=bool).reshape(len(tubes), length)


def dense_ious(found: Sequence[Tube], wanted: Sequence[Tube], length: int) -> np.ndarray:
    """Return (T, D, G) float32, the mask IoU of each pair in each frame."""
    ious = np.zeros((length, len(found), len(wanted)), dtype=np.float32)
    for frame, rows, columns, values in frame_ious(found, wanted):
        ious[frame][np.ix_(rows, columns)] = values
    return ious


def follow(ious: np.ndarray) -> np.ndarray:
    """Return the track that each track covers in each frame.

    A track stays with its partner as long as their IoU reaches `GOOD_IOU`. Else its partner is
    the track of highest IoU. So two tracks that both fit do not count as a change.

    Args:
        ious: (T, N, M), of N tracks with M others.

    Returns:
        (T, N) int64 index of the partner, or -1.
    """
    length, count, others = ious.shape
    partners = np.full((length, count), NOBODY, dtype=np.int64)
    if not others:
        return partners
    last = np.zeros(count, dtype=np.int64)
    everybody = np.arange(count)
    for t in range(length):
        stays = ious[t][everybody, last] >= GOOD_IOU
        chosen = np.where(stays, last, ious[t].argmax(1))
        good = ious[t][everybody, chosen] >= GOOD_IOU
        partners[t] = np.where(good, chosen, NOBODY)
        last = np.where(good, chosen, last)
    return partners


def find_switches(partners: np.ndarray) -> np.ndarray:
    """Return (T,) bool: frames whose partner is another one than the one before.

    Frames without a partner in between do not matter.
    """
    switched = np.zeros(len(partners), dtype=bool)
    frames = np.flatnonzero(partners != NOBODY)
    switched[frames[1:]] = partners[frames[1:]] != partners[frames[:-1]]
    return switched


def compare_tracks(
    found: Sequence[Tube], wanted: Sequence[Tube], length: int
) -> tuple[list[Timeline], list[Timeline]]:
    """Return the timelines of D predictions and of G annotated tracks of one video."""
    ious = dense_ious(found, wanted, length)
    there, real = presence(found, length), presence(wanted, length)
    covered, holders = follow(ious), follow(ious.swapaxes(1, 2))
    predictions = [prediction_timeline(there[d], covered[:, d], real) for d in range(len(found))]
    annotations = [annotation_timeline(wanted[g].areas, holders[:, g]) for g in range(len(wanted))]
    return predictions, annotations


def prediction_timeline(there: np.ndarray, partners: np.ndarray, real: np.ndarray) -> Timeline:
    """Return the timeline of a prediction.

    Args:
        there: (T,) bool, it has a mask.
        partners: (T,) annotated track that it covers, or -1.
        real: (G, T) bool, which annotated tracks have a mask.
    """
    met = partners[partners != NOBODY]
    main_there = np.zeros(len(there), dtype=bool)
    if met.size:
        main_there = real[np.bincount(met).argmax()]
    states = np.select([partners != NOBODY, there, main_there], [HELD, STRAY, LOST], default=ABSENT)
    unhidden = np.zeros(len(there), dtype=bool)
    return Timeline(states.tolist(), partners, unhidden, find_switches(partners))


def annotation_timeline(areas: np.ndarray, partners: np.ndarray) -> Timeline:
    """Return the timeline of an annotated track.

    Args:
        areas: (T,) its pixels.
        partners: (T,) prediction that covers it, or -1.
    """
    there = areas > 0
    states = np.select([partners != NOBODY, there], [HELD, MISSED], default=ABSENT)
    occluded = there & (areas < HEAVY_OCCLUSION * areas.max(initial=0))
    return Timeline(states.tolist(), partners, occluded, find_switches(partners))


def lone_timeline(tube: Tube) -> Timeline:
    """Return the timeline of a track without a ground truth."""
    there = tube.areas > 0
    jumps = np.zeros(len(there), dtype=bool)
    frames = np.flatnonzero(there)
    for before, after in zip(frames[:-1], frames[1:]):
        if after == before + 1:
            size = [tube.height, tube.width]
            pair = [{'size': size, 'counts': tube.counts[frame]} for frame in (before, after)]
            jumps[after] = coco_mask.iou(pair[:1], pair[1:], [0])[0, 0] == 0
    partners = np.full(len(there), NOBODY, dtype=np.int64)
    states = np.where(there, PRESENT, ABSENT).tolist()
    return Timeline(states, partners, np.zeros(len(there), dtype=bool), jumps)


def telling_frames(timelines: Sequence[Timeline], length: int, limit: int) -> list[int]:
    """Return the frames of which pictures are shown, in order.

    These are both ends, then frames in which a track switches, is lost or comes back, those
    with the most events first, and then frames evenly between.

    Args:
        timelines: of a video.
        length: its frames T.
        limit: of the pictures.
    """
    if length <= limit:
        return list(range(length))
    events = np.zeros(length)
    for timeline in timelines:
        states = np.array(timeline.states)
        events += 3 * timeline.switched
        events[1:] += states[1:] != states[:-1]
    chosen = [0, length - 1][:limit]
    for frame in np.argsort(-events, kind='stable').tolist():
        near = min(abs(frame - other) for other in chosen)
        if len(chosen) < (limit + 2) // 2 + 1 and events[frame] and near > 1:
            chosen.append(frame)
    while len(chosen) < limit:
        chosen.append(middle_of_widest_gap(chosen))
    return sorted(chosen[:limit])


def middle_of_widest_gap(frames: Sequence[int]) -> int:
    """Return the frame in the middle of the widest gap between frames."""
    ordered = sorted(frames)
    gaps = [after - before for before, after in zip(ordered[:-1], ordered[1:])]
    widest = int(np.argmax(gaps))
    return ordered[widest] + gaps[widest] // 2

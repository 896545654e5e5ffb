"""Running statistics of a video's tracks where each frame's queries have identities of their own.

n queries of a frame with an identity, K classes, M tracks.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import expit, softmax

from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.streaming.frame_masks import FrameMasks, MaskLogits
from rocovis_mm.streaming.track_recorder import (
    WAITING_BYTES,
    WAITING_FRAMES,
    ScoredTrack,
    TrackRule,
    highest,
)
from rocovis_mm.structures import RLE, VideoTracks

ACTIVATIONS = {'softmax': partial(softmax, axis=-1), 'sigmoid': expit}
"""Name -> function of class logits."""


@dataclass(frozen=True)
class IdentityRule(TrackRule):
    """How identities that an associator gives become tracks.

    A track of few frames is taken for noise and removed once it has been absent for a while, as
    CTVIS does (ctvis/modeling/tracker/simple_tracker.py:214-235) and IDOL
    (projects/IDOL/idol/idol.py:405-411). If its identity is matched again, a track begins anew.

    Attributes:
        noise_frames: frames at the beginning of a video in which nothing is removed, one more
            than this number.
        min_frames: a track with fewer frames is removed ...
        absent_frames: ... once it has been absent for so many frames in a row.
        ends_after: frames of absence beyond which an identity never comes back; None: never.
        activation: 'softmax' of classes and "no object", or 'sigmoid' of classes alone (as IDOL
            does).
        min_score: a pair of an identity and a class is kept above it; None keeps any.
    """

    noise_frames: int = 8
    min_frames: int = 3
    absent_frames: int = 2
    ends_after: int | None = None
    activation: str = 'softmax'
    min_score: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f'track_rule.activation={self.activation!r}: choose one of {tuple(ACTIVATIONS)}'
            )

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities (n, K or K + 1) of logits of the same shape."""
        return ACTIVATIONS[self.activation](logits)

    def removes(self, frame: int, last: int, frames: int) -> bool:
        """Whether a track is removed after a frame.

        Args:
            frame: number of the frame, from 0.
            last: the last frame in which the track was present.
            frames: number of frames in which it was.
        """
        absent = frame - last >= self.absent_frames
        return frame > self.noise_frames and absent and frames < self.min_frames


@dataclass
class Track:
    """The statistics of one identity.

    Attributes:
        identity: its number.
        classes: (K + 1,), or (K,) with sigmoids, reduced over its frames.
        first: its first frame.
        last: its last frame so far.
        frames: number of its frames.
        inside: (2,) sum of the probabilities inside its masks, number of their pixels.
        masks: by frame.
    """

    identity: int
    classes: np.ndarray
    first: int
    last: int
    frames: int = 0
    inside: np.ndarray = field(default_factory=lambda: np.zeros(2))
    masks: dict[int, RLE] = field(default_factory=dict)


class WaitingFrame(NamedTuple):
    """A frame whose masks are not made yet."""

    number: int
    logits: MaskLogits
    identities: np.ndarray  # (n,)

    def rows_of(self, tracks: Iterable[Track]) -> dict[int, Track]:
        """Return row -> track of the tracks that are present."""
        wanted = {t.identity: t for t in tracks if t.first <= self.number <= t.last}
        rows = enumerate(self.identities.tolist())
        return {row: wanted[identity] for row, identity in rows if identity in wanted}

    def make(self, identities: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return those of `identities` whose masks are not empty, (m,), and (m, H, W) bool."""
        rows, masks = self.logits.make(np.flatnonzero(np.isin(self.identities, identities)))
        return self.identities[rows], masks


@dataclass(frozen=True)
class IdentitySnapshot:
    """A frame's masks and the scores of their identities so far.

    Attributes:
        frame: the masks.
        tracks: (n,) statistics of each query's identity, as they were after the frame.
        class_scores: (n, K).
        inside: (n, 2) sums of the frames whose masks were made.
        waiting: frames after them, where masks are scored.
    """

    frame: FrameMasks
    tracks: tuple[Track, ...]
    class_scores: np.ndarray
    inside: np.ndarray
    waiting: tuple[WaitingFrame, ...]
    rule: TrackRule

    def instances(self) -> dict[str, np.ndarray]:
        """Return the frame's masks, not empty ones alone, with their ids, labels and scores."""
        slots = self.frame.slots
        sums = add_waiting(self.inside[slots], [self.tracks[s] for s in slots], self.waiting)
        scores = self.class_scores[slots] * sureness(sums, self.rule)[:, None]
        return dict(
            instances_id=self.frame.identities[slots],
            labels=scores.argmax(-1),
            scores=scores.max(-1),
            masks=self.frame.masks,
        )


class IdentityRecorder:
    """Gathers one video frame by frame, as :class:`TrackRecorder` does, by identity.

    An identity may begin at any frame and has a track from there on. Tracks of identities that
    never come back are kept as long as they may be among the video's best. The results
    themselves grow with the video: one entry of each ended track and class that is good enough,
    up to ``rule.max_tracks``, and the masks if they are kept. Everything else is bounded by the
    identities that may come back, and so is the work for a frame. :meth:`standing` looks at all
    results.

    Args:
        num_classes: K.
        rule: how identities become tracks.
        keep_masks: whether masks are held until :meth:`finish`.
        release_after: frames of absence after which an identity is given up; None leaves this
            to `rule`.

    Raises:
        ValueError: `release_after` below 1.
    """

    def __init__(
        self,
        num_classes: int,
        rule: IdentityRule,
        keep_masks: bool = True,
        release_after: int | None = None,
    ) -> None:
        if release_after is not None and release_after < 1:
            raise ValueError(
                f'release_after={release_after}: give frames of absence >= 1, or None for never'
            )
        self.num_classes = num_classes
        self.rule = rule
        self.keep_masks = keep_masks
        self.release_after = release_after
        self.length = 0
        self.tracks: dict[int, Track] = {}  # in the order of their first frames
        self.waiting: list[WaitingFrame] = []  # oldest first
        self.brief: list[Track] = []  # never come back, and are noise after a while
        # a heap, worst first, of the best of the others that never come back; the first part
        # of an entry decides, and no two are equal
        self.ended: list[tuple[tuple[float, int, int, int], ScoredTrack, Track]] = []

    @property
    def masks(self) -> dict[int, dict[int, RLE]]:
        """Masks held so far: identity -> frame -> run lengths."""
        tracks = [*self.tracks.values(), *(track for _, track in self.ended)]
        return {track.identity: track.masks for track in tracks if track.masks}

    def add_frame(self, frame: FrameMasks) -> None:
        """Add the next frame; its ``identities`` are those of its n queries."""
        values = frame.class_logits
        if self.rule.reduce != 'mean_logits':
            values = self.rule.probabilities(values)
        number = self.length
        for row in np.argsort(frame.identities):
            identity, value = int(frame.identities[row]), values[row]
            track = self.tracks.get(identity)
            if track is None:
                track = Track(identity, np.zeros(values.shape[1]), number, number)
                self.tracks[identity] = track
            if self.rule.reduce == 'max':
                track.classes = np.maximum(track.classes, value)
            else:
                track.classes = track.classes + value
            track.last = number
            track.frames += 1
        self.length += 1
        self.waiting.append(WaitingFrame(number, frame.logits, frame.identities))
        while self._waits_for_too_much():
            self._settle_oldest()
        self._remove_noise(number)
        self._end(self.rule.ends_after)

    def _waits_for_too_much(self) -> bool:
        if not self.keep_masks or self.release_after is not None:
            return bool(self.waiting)
        size = sum(waiting.logits.num_bytes for waiting in self.waiting)
        return size > WAITING_BYTES or len(self.waiting) > WAITING_FRAMES

    def _settle_oldest(self) -> None:
        """Make the masks of the oldest frame that waits."""
        frame = self.waiting.pop(0)
        rows = frame.rows_of(self.tracks.values())
        wanted = np.array(sorted(rows), dtype=int)
        if self.keep_masks:
            for row, mask in zip(*frame.logits.make(wanted)):
                rows[row].masks[frame.number] = encode_mask(mask)
        for row, sums in zip(wanted, frame.logits.inside(wanted)):
            rows[row].inside = rows[row].inside + sums

    def _remove_noise(self, number: int) -> None:
        for track in list(self.tracks.values()):
            if self.rule.removes(number, track.last, track.frames):
                del self.tracks[track.identity]
        self.brief = [
            track for track in self.brief if not self.rule.removes(number, track.last, track.frames)
        ]

    def _end(self, absent: int | None) -> None:
        """End tracks that were absent for more frames, once none of their masks waits."""
        if absent is None:
            return
        first = self.waiting[0].number if self.waiting else self.length
        last = min(first, self.length - 1 - absent)
        self.give_back([track.identity for track in self.tracks.values() if track.last < last])

    def absent_slots(self) -> np.ndarray:
        """Return the identities that have been absent for long enough to be given up."""
        if self.release_after is None:
            return np.zeros(0, dtype=int)
        first = self.length - self.release_after
        return np.array([t.identity for t in self.tracks.values() if t.last < first], dtype=int)

    def give_back(self, identities: Iterable[int]) -> None:
        """End identities.

        Of those that ended the best are kept, as many as a video may have tracks. Those that are
        going to be removed as noise do not count.
        """
        given = [self.tracks.pop(int(identity)) for identity in identities]
        lasting = [track for track in given if track.frames >= self.rule.min_frames]
        self.brief += [track for track in given if track.frames < self.rule.min_frames]
        for scored, track in self._pairs(lasting):
            rank = (scored.class_score, -scored.identity, -scored.label, -track.last)
            heapq.heappush(self.ended, (rank, scored, track))
            if len(self.ended) > self.rule.max_tracks:
                heapq.heappop(self.ended)

    def class_scores(self, tracks: Sequence[Track]) -> np.ndarray:
        """Return the class probabilities (M, K) of tracks so far."""
        if not tracks:
            return np.zeros((0, self.num_classes))
        classes = np.array([track.classes for track in tracks])
        if self.rule.reduce != 'max':
            classes = classes / np.array([track.frames for track in tracks])[:, None]
        if self.rule.reduce == 'mean_logits':
            classes = self.rule.probabilities(classes)
        return classes[:, : self.num_classes]

    def _best(self) -> list[tuple[ScoredTrack, Track]]:
        """Return the best pairs by class of the video so far, best first."""
        found = [(scored, track) for _, scored, track in self.ended]
        found += self._pairs([*self.brief, *self.tracks.values()])
        found.sort(key=lambda pair: (-pair[0].class_score, pair[0].identity, pair[0].label))
        return found[: self.rule.max_tracks]

    def _pairs(self, tracks: list[Track]) -> list[tuple[ScoredTrack, Track]]:
        """Return the best pairs by class of `tracks`, as many as a video may have."""
        by_class = self.class_scores(tracks)
        rows, labels = highest(by_class, self.rule.max_tracks)
        if self.rule.min_score is not None:
            good = by_class[rows, labels] > self.rule.min_score
            rows, labels = rows[good], labels[good]
        kept, places = np.unique(rows, return_inverse=True)
        chosen = [tracks[row] for row in kept]
        sums = np.array([track.inside for track in chosen]).reshape(-1, 2)
        sure = sureness(add_waiting(sums, chosen, self._scored()), self.rule)
        found = []
        for row, label, place in zip(rows.tolist(), labels.tolist(), places):
            score = float(by_class[row, label])
            scored = ScoredTrack(tracks[row].identity, label, score, float(score * sure[place]))
            found.append((scored, tracks[row]))
        return found

    def _scored(self) -> tuple[WaitingFrame, ...]:
        return tuple(self.waiting) if self.rule.mask_scoring else ()

    def snapshot(self, frame: FrameMasks) -> IdentitySnapshot:
        """Return the scores of the latest frame's identities."""
        tracks = tuple(self.tracks[identity] for identity in frame.identities.tolist())
        return IdentitySnapshot(
            frame,
            tracks,
            self.class_scores(tracks),
            np.array([track.inside for track in tracks]).reshape(-1, 2),
            self._scored(),
            self.rule,
        )

    def standing(self) -> list[ScoredTrack]:
        """Return the best (identity, class) pairs of the video so far, best score first."""
        return sorted((scored for scored, _ in self._best()), key=lambda track: -track.score)

    def finish(self, video_id: int) -> VideoTracks:
        """Return the video's tracks: the pairs of :meth:`standing` with their masks.

        Raises:
            ValueError: masks were not kept.
        """
        if not self.keep_masks:
            raise ValueError('the masks of this video were not kept (keep_masks=False)')
        best = sorted(self._best(), key=lambda pair: -pair[0].score)
        masks = self._masks_of({id(track): track for _, track in best}.values())
        return VideoTracks(
            video_id=video_id,
            length=self.length,
            scores=np.array([scored.score for scored, _ in best]),
            labels=np.array([scored.label for scored, _ in best], dtype=int),
            identities=np.array([scored.identity for scored, _ in best], dtype=int),
            segmentations=[
                [masks[id(track)].get(t) for t in range(self.length)] for _, track in best
            ],
        )

    def _masks_of(self, tracks: Iterable[Track]) -> dict[int, dict[int, RLE]]:
        """Return the masks of tracks, by the object, by frame. Waiting logits stay as they are."""
        tracks = list(tracks)
        found = {id(track): dict(track.masks) for track in tracks}
        for frame in self.waiting:
            rows = frame.rows_of(tracks)
            for row, mask in zip(*frame.logits.make(np.array(sorted(rows), dtype=int))):
                found[id(rows[row])][frame.number] = encode_mask(mask)
        return found


def add_waiting(
    sums: np.ndarray, tracks: Sequence[Track], waiting: Sequence[WaitingFrame]
) -> np.ndarray:
    """Return the sums (M, 2) inside the masks of tracks, those of waiting frames added."""
    places = {id(track): place for place, track in enumerate(tracks)}
    total = np.array(sums, dtype=float)
    for frame in waiting:
        rows = frame.rows_of(tracks)
        chosen = np.array(sorted(rows), dtype=int)
        for row, more in zip(chosen, frame.logits.inside(chosen)):
            total[places[id(rows[row])]] += more
    return total


def sureness(sums: np.ndarray, rule: TrackRule) -> np.ndarray:
    """Return (M,), the mean pixel probability inside the masks of tracks, 1 if not scored."""
    if not rule.mask_scoring:
        return np.ones(len(sums))
    return sums[:, 0] / np.maximum(sums[:, 1], 1)

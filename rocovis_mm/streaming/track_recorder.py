"""Running statistics of one video's tracks; a video costs its RLEs, if masks are kept.

N queries, K classes, T frames seen so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.streaming.frame_masks import RESIZES, SCORING_SIZES, FrameMasks, MaskLogits
from rocovis_mm.structures import RLE, VideoTracks

REDUCTIONS = ('max', 'mean', 'mean_logits')
WAITING_BYTES = 256 << 20
"""Most memory that a video's mask logits take while they wait for its end."""
WAITING_FRAMES = 200
"""Most frames that wait: a score so far looks at each of them."""


@dataclass(frozen=True)
class TrackRule:
    """How frames become tracks.

    Attributes:
        reduce: class probability of a query over the frames: its ``max`` or ``mean``,
            or the softmax of its ``mean_logits`` (as MinVIS does).
        max_tracks: best (query, class) pairs kept of a video (10; 20 on OVIS).
        mask_scoring: multiply a track's score by the mean pixel probability
            inside its mask.
        scoring_size: resolution of that mask, the ``input``'s (as GenVIS does) or
            the ``frame``'s own (as CTVIS does).
        resize: of mask logits from the input's resolution to the frame's own, ``bilinear`` or
            ``nearest`` (as IDOL does).
    """

    reduce: str = 'max'
    max_tracks: int = 10
    mask_scoring: bool = False
    scoring_size: str = 'input'
    resize: str = 'bilinear'

    def __post_init__(self) -> None:
        if self.reduce not in REDUCTIONS:
            raise ValueError(f'track_rule.reduce={self.reduce!r}: choose one of {REDUCTIONS}')
        if self.scoring_size not in SCORING_SIZES:
            raise ValueError(
                f'track_rule.scoring_size={self.scoring_size!r}: choose one of {SCORING_SIZES}'
            )
        if self.resize not in RESIZES:
            raise ValueError(f'track_rule.resize={self.resize!r}: choose one of {RESIZES}')
        if self.max_tracks < 1:
            raise ValueError(f'track_rule.max_tracks={self.max_tracks}: keep at least one track')


class ScoredTrack(NamedTuple):
    """An identity under one class, with its present scores.

    Attributes:
        identity: its number.
        label: index of the class.
        class_score: decides which tracks are kept.
        score: of a kept track.
    """

    identity: int
    label: int
    class_score: float
    score: float


@dataclass(frozen=True)
class Snapshot:
    """The scores of a video's identities after one of its frames.

    Attributes:
        frame: its masks.
        identities: (N,) of the slots.
        class_scores: (N, K).
        inside: (N, 2) sums of the frames whose masks were made.
        waiting: logits of the frames after them, where masks are scored.
        rule: how frames become tracks.
    """

    frame: FrameMasks
    identities: np.ndarray
    class_scores: np.ndarray
    inside: np.ndarray
    waiting: tuple[MaskLogits, ...]
    rule: TrackRule

    def instances(self) -> dict[str, np.ndarray]:
        """Return the frame's masks, not empty ones alone, with their ids, labels and scores."""
        slots = self.frame.slots
        sure = sureness(self.inside[slots], self.waiting, slots, self.rule)
        scores = self.class_scores[slots] * sure[:, None]
        return dict(
            instances_id=self.identities[slots],
            labels=scores.argmax(-1),
            scores=scores.max(-1),
            masks=self.frame.masks,
        )


def sureness(
    inside: np.ndarray, waiting: Sequence[MaskLogits], slots: np.ndarray, rule: TrackRule
) -> np.ndarray:
    """Return (n,), the mean pixel probability inside the masks of slots, 1 if not scored.

    Args:
        inside: (n, 2), sums inside the masks of the first frames, and their areas.
        waiting: logits of the frames after them.
        slots: (n,) int.
        rule: whether masks are scored.
    """
    if not rule.mask_scoring:
        return np.ones(len(slots))
    for logits in waiting:
        inside = inside + logits.inside(slots)
    return inside[:, 0] / np.maximum(inside[:, 1], 1)


class TrackRecorder:
    """Gathers one video frame by frame.

    A slot (query) is an identity: slot q begins as identity q. With `release_after`,
    a slot whose identity has been absent for that many frames in a row can be given
    back. Its next identity has a number never used before and statistics of its own. An
    identity is present in a frame where its mask is not empty and one of the classes is
    likelier than "no object".

    All that it holds is of fixed size, except the masks. With ``keep_masks=False`` none are held.
    Which identities become tracks is known at the end of a video, and a mask costs much more time
    than its logits. So :meth:`add_frame` lets logits wait, up to `WAITING_BYTES`, and
    :meth:`finish` makes the masks of the tracks alone. Beyond that the masks of the oldest frame
    are made, all of them.

    Args:
        num_queries: N.
        num_classes: K.
        rule: how frames become tracks.
        keep_masks: whether masks are held until :meth:`finish`.
        release_after: frames of absence, at least 1; None gives no slot back.

    Raises:
        ValueError: `release_after` below 1.
    """

    def __init__(
        self,
        num_queries: int,
        num_classes: int,
        rule: TrackRule,
        keep_masks: bool = True,
        release_after: int | None = None,
    ) -> None:
        if release_after is not None and release_after < 1:
            raise ValueError(
                f'release_after={release_after}: give frames of absence >= 1, or None for never'
            )
        self.rule = rule
        self.keep_masks = keep_masks
        self.release_after = release_after
        self.length = 0
        self.identities = np.arange(num_queries)  # of each slot
        self.next_identity = num_queries
        self.frames = np.zeros((num_queries, 1))  # since each identity began
        # frame of each identity, -1 for never; stays as it is while logits wait
        self.last_seen = np.full(num_queries, -1)
        self.classes = np.zeros((num_queries, num_classes + 1))  # reduced over the frames
        self.inside = np.zeros((num_queries, 2))  # sum of probabilities, number of pixels
        self.waiting: list[MaskLogits] = []  # of the last frames, oldest first
        self._masks: dict[int, dict[int, RLE]] = {}  # identity -> frame -> mask
        self.ended: list[ScoredTrack] = []  # the best of the identities given back

    def add(
        self, class_logits: np.ndarray, slots: np.ndarray, masks: np.ndarray, inside: np.ndarray
    ) -> None:
        """Add the next frame.

        Args:
            class_logits: (N, K + 1); the last class is "no object".
            slots: (n,) int, queries whose masks are not empty in this frame.
            masks: (n, H, W) bool, their masks at the frame's own resolution.
            inside: (N, 2), sum of the pixel probabilities inside each mask, and its area.
        """
        self.settle()
        probabilities = self._add_classes(class_logits)
        frame = self.length - 1
        self.last_seen[slots[probabilities[slots, -1] < 0.5]] = frame
        self._add_masks(frame, slots, masks, inside)

    def add_frame(self, frame: FrameMasks) -> None:
        """Add the next frame, its masks to be made at the video's end if they can wait.

        Args:
            frame: its masks, which are made later where their logits can wait.
        """
        if not self.keep_masks or self.release_after is not None:
            self.add(frame.class_logits, frame.slots, frame.masks, frame.inside)
            return
        self._add_classes(frame.class_logits)
        self.waiting.append(frame.logits)
        while self._waits_for_too_much():
            self._settle_oldest()

    def _waits_for_too_much(self) -> bool:
        size = sum(logits.num_bytes for logits in self.waiting)
        return size > WAITING_BYTES or len(self.waiting) > WAITING_FRAMES

    def snapshot(self, frame: FrameMasks) -> Snapshot:
        """Return the scores of the identities after the latest frame."""
        return Snapshot(
            frame,
            self.identities.copy(),
            self.class_scores.copy(),
            self.inside.copy(),
            tuple(self.waiting) if self.rule.mask_scoring else (),
            self.rule,
        )

    def settle(self) -> None:
        """Make the masks of all frames that wait, of every identity."""
        while self.waiting:
            self._settle_oldest()

    @property
    def masks(self) -> dict[int, dict[int, RLE]]:
        """The masks so far: identity -> frame -> mask; none waits afterwards."""
        self.settle()
        return self._masks

    def _settle_oldest(self) -> None:
        """Make all masks of the oldest frame that waits."""
        logits = self.waiting.pop(0)
        slots, masks = logits.make(logits.queries)
        inside = logits.inside(np.arange(len(self.identities)))
        self._add_masks(self.length - 1 - len(self.waiting), slots, masks, inside)

    def _add_masks(
        self, frame: int, slots: np.ndarray, masks: np.ndarray, inside: np.ndarray
    ) -> None:
        """Add the masks of a frame that has been counted."""
        self.inside += inside
        if self.keep_masks:
            for identity, mask in zip(self.identities[slots].tolist(), masks):
                self._masks.setdefault(identity, {})[frame] = encode_mask(mask)

    def _add_classes(self, class_logits: np.ndarray) -> np.ndarray:
        """Count a frame; return its class probabilities (N, K + 1)."""
        probabilities = softmax(class_logits, axis=-1)
        if self.rule.reduce == 'mean_logits':
            self.classes += class_logits
        elif self.rule.reduce == 'mean':
            self.classes += probabilities
        else:
            np.maximum(self.classes, probabilities, out=self.classes)
        self.frames += 1
        self.length += 1
        return probabilities

    @property
    def class_scores(self) -> np.ndarray:
        """(N, K) class probabilities of the identities so far."""
        classes = self.classes if self.rule.reduce == 'max' else self.classes / self.frames.clip(1)
        if self.rule.reduce == 'mean_logits':
            classes = softmax(classes, axis=-1)
        return classes[:, :-1]

    @property
    def scores(self) -> np.ndarray:
        """(N, K) scores of the identities so far."""
        return self.class_scores * self._sureness(np.arange(len(self.identities)))[:, None]

    def _sureness(self, slots: np.ndarray) -> np.ndarray:
        """Return (n,), the mean pixel probability inside the masks of slots, 1 if not scored."""
        return sureness(self.inside[slots], self.waiting, slots, self.rule)

    def absent_slots(self) -> np.ndarray:
        """Return the slots whose identities have been absent for long enough to be given back."""
        if self.release_after is None:
            return np.zeros(0, dtype=int)
        absent = self.length - 1 - self.last_seen
        return np.flatnonzero((self.last_seen >= 0) & (absent >= self.release_after))

    def give_back(self, slots: np.ndarray) -> None:
        """End the identities of `slots` and begin new ones in them.

        Of those that ended the best are kept, as many as a video may have tracks; no
        other could be among the video's best.
        """
        self.settle()
        self.ended = self._best(slots, self.rule.max_tracks)
        self.identities[slots] = self.next_identity + np.arange(len(slots))
        self.next_identity += len(slots)
        held = {*self.identities.tolist(), *(track.identity for track in self.ended)}
        for identity in self._masks.keys() - held:
            del self._masks[identity]
        self.last_seen[slots] = -1
        for statistics in (self.frames, self.classes, self.inside):
            statistics[slots] = 0

    def _best(self, slots: np.ndarray, number: int) -> list[ScoredTrack]:
        """Return the best by class of the ended identities and of those in `slots`."""
        by_class = self.class_scores[slots]
        rows, labels = highest(by_class, number)
        kept, places = np.unique(rows, return_inverse=True)
        class_scores = by_class[rows, labels]
        scores = class_scores * self._sureness(slots[kept])[places]
        identities = self.identities[slots[rows]]
        found = list(self.ended)
        for values in zip(identities, labels, class_scores, scores):
            found.append(ScoredTrack(*(value.item() for value in values)))
        found.sort(key=lambda track: (-track.class_score, track.identity, track.label))
        return found[:number]

    def standing(self) -> list[ScoredTrack]:
        """Return the best (identity, class) pairs of the video so far, best score first.

        The best by class are kept and then scored, as the published codes do
        (GenVIS, genvis/genvis_model.py, ``inference``).
        """
        best = self._best(np.arange(len(self.identities)), self.rule.max_tracks)
        return sorted(best, key=lambda track: -track.score)

    def finish(self, video_id: int) -> VideoTracks:
        """Return the video's tracks: the pairs of :meth:`standing` with their masks.

        Raises:
            ValueError: masks were not kept.
        """
        if not self.keep_masks:
            raise ValueError('the masks of this video were not kept (keep_masks=False)')
        rows, _ = highest(self.class_scores, self.rule.max_tracks)
        kept = {*self.identities[rows].tolist(), *(track.identity for track in self.ended)}
        masks = self._masks_of(sorted(kept))  # together with the sums that scores are made of
        tracks = self.standing()
        return VideoTracks(
            video_id=video_id,
            length=self.length,
            scores=np.array([track.score for track in tracks]),
            labels=np.array([track.label for track in tracks]),
            identities=np.array([track.identity for track in tracks]),
            segmentations=[
                [masks[track.identity].get(t) for t in range(self.length)] for track in tracks
            ],
        )

    def _masks_of(self, identities: list[int]) -> dict[int, dict[int, RLE]]:
        """Return the masks of some identities by frame. Waiting logits stay as they are."""
        found = {identity: dict(self._masks.get(identity, {})) for identity in identities}
        for frame, logits in enumerate(self.waiting, self.length - len(self.waiting)):
            for slot, mask in zip(*logits.make(identities)):  # no slot was given back
                found[int(slot)][frame] = encode_mask(mask)
        return found


def highest(scores: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the highest scores, best first; of equal ones the first.

    Args:
        scores: (N, K).
        number: how many.
    """
    flat = scores.ravel()
    rivals = np.arange(len(flat))
    if number < len(flat):  # sorting all of a large vocabulary would take most of the time
        rivals = np.flatnonzero(~(flat < np.partition(flat, -number)[-number]))
    best = rivals[np.argsort(-flat[rivals], kind='stable')[:number]]
    return np.unravel_index(best, scores.shape)

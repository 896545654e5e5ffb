"""Running statistics of one video's tracks; what a video costs are its RLEs, if they are kept.

N queries, K classes, T frames seen so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from rocovis_mm.evaluation.functional.run_lengths import encode_mask
from rocovis_mm.structures import RLE, VideoTracks

REDUCTIONS = ('max', 'mean', 'mean_logits')


@dataclass(frozen=True)
class TrackRule:
    """How frames become tracks.

    Attributes:
        reduce: class probability of a query over the frames: its ``max`` or ``mean``,
            or the softmax of its ``mean_logits`` (as MinVIS does).
        max_tracks: best (query, class) pairs kept of a video (10; 20 on OVIS).
        mask_scoring: multiply a track's score by the mean pixel probability
            inside its mask, at the input's resolution (as GenVIS does).
    """

    reduce: str = 'max'
    max_tracks: int = 10
    mask_scoring: bool = False

    def __post_init__(self) -> None:
        if self.reduce not in REDUCTIONS:
            raise ValueError(f'track_rule.reduce={self.reduce!r}: choose one of {REDUCTIONS}')
        if self.max_tracks < 1:
            raise ValueError(f'track_rule.max_tracks={self.max_tracks}: keep at least one track')


class ScoredTrack(NamedTuple):
    """An identity under one class, as it stands.

    Attributes:
        identity: its number.
        label: index of the class.
        class_score: decides which tracks are kept.
        score: what the kept ones are scored.
    """

    identity: int
    label: int
    class_score: float
    score: float


class TrackRecorder:
    """Gathers one video frame by frame.

    A slot (query) is an identity: slot q begins as identity q. With `release_after`,
    a slot whose identity has been absent for that many frames in a row can be given
    back: what it becomes next is a new identity with a number never used before, and
    its statistics begin anew. An identity is present in a frame where its mask is not
    empty and one of the classes is likelier than "no object".

    All it holds is of fixed size, but the masks: with ``keep_masks=False`` none are held.

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
        self.last_seen = np.full(num_queries, -1)  # frame of each identity, -1 for never
        self.classes = np.zeros((num_queries, num_classes + 1))  # reduced over the frames
        self.inside = np.zeros((num_queries, 2))  # sum of probabilities, number of pixels
        self.masks: dict[int, dict[int, RLE]] = {}  # identity -> frame -> mask
        self.ended: list[ScoredTrack] = []  # the best of the identities given back

    def add(
        self,
        class_logits: np.ndarray,
        slots: np.ndarray,
        masks: np.ndarray,
        inside: np.ndarray,
    ) -> None:
        """Add the next frame.

        Args:
            class_logits: (N, K + 1); the last class is "no object".
            slots: (n,) int, queries whose masks are not empty in this frame.
            masks: (n, H, W) bool, their masks at the frame's own resolution.
            inside: (N, 2), sum of the pixel probabilities inside each mask, and its area.
        """
        probabilities = softmax(class_logits, axis=-1)
        if self.rule.reduce == 'mean_logits':
            self.classes += class_logits
        elif self.rule.reduce == 'mean':
            self.classes += probabilities
        else:
            np.maximum(self.classes, probabilities, out=self.classes)
        self.inside += inside
        self.last_seen[slots[probabilities[slots, -1] < 0.5]] = self.length
        if self.keep_masks:
            for identity, mask in zip(self.identities[slots].tolist(), masks):
                self.masks.setdefault(identity, {})[self.length] = encode_mask(mask)
        self.frames += 1
        self.length += 1

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
        if not self.rule.mask_scoring:
            return self.class_scores
        inside, area = self.inside.T
        return self.class_scores * (inside / np.maximum(area, 1))[:, None]

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
        self.ended = self._best(slots, self.rule.max_tracks)
        self.identities[slots] = self.next_identity + np.arange(len(slots))
        self.next_identity += len(slots)
        held = {*self.identities.tolist(), *(track.identity for track in self.ended)}
        for identity in self.masks.keys() - held:
            del self.masks[identity]
        self.last_seen[slots] = -1
        for statistics in (self.frames, self.classes, self.inside):
            statistics[slots] = 0

    def _best(self, slots: np.ndarray, number: int) -> list[ScoredTrack]:
        """Return the best by class of the ended identities and of those in `slots`."""
        by_class, scores = self.class_scores[slots], self.scores[slots]
        found = list(self.ended)
        for best in np.argsort(-by_class, axis=None, kind='stable')[:number]:
            row, label = np.unravel_index(best, by_class.shape)
            found.append(
                ScoredTrack(
                    int(self.identities[slots[row]]),
                    int(label),
                    float(by_class[row, label]),
                    float(scores[row, label]),
                )
            )
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
        tracks = self.standing()
        return VideoTracks(
            video_id=video_id,
            length=self.length,
            scores=np.array([track.score for track in tracks]),
            labels=np.array([track.label for track in tracks]),
            slots=np.array([track.identity for track in tracks]),
            segmentations=[
                [self.masks.get(track.identity, {}).get(t) for t in range(self.length)]
                for track in tracks
            ],
        )

"""Running statistics of one video's tracks; what a video costs are its RLEs.

N queries, K classes, T frames seen so far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask
from scipy.special import softmax

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


class TrackRecorder:
    """Gathers one video frame by frame.

    Args:
        num_queries: N.
        num_classes: K.
        rule: how frames become tracks.
    """

    def __init__(self, num_queries: int, num_classes: int, rule: TrackRule) -> None:
        self.rule = rule
        self.length = 0
        self.classes = np.zeros((num_queries, num_classes + 1))  # reduced over the frames
        self.inside = np.zeros((num_queries, 2))  # sum of probabilities, number of pixels
        self.masks: dict[int, dict[int, RLE]] = {}  # query -> frame -> mask

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
        if self.rule.reduce == 'mean_logits':
            self.classes += class_logits
        elif self.rule.reduce == 'mean':
            self.classes += softmax(class_logits, axis=-1)
        else:
            np.maximum(self.classes, softmax(class_logits, axis=-1), out=self.classes)
        self.inside += inside
        for slot, mask in zip(slots, masks):
            self.masks.setdefault(int(slot), {})[self.length] = encode_mask(mask)
        self.length += 1

    @property
    def class_scores(self) -> np.ndarray:
        """(N, K) class probabilities of the video so far."""
        classes = self.classes if self.rule.reduce == 'max' else self.classes / max(self.length, 1)
        if self.rule.reduce == 'mean_logits':
            classes = softmax(classes, axis=-1)
        return classes[:, :-1]

    @property
    def scores(self) -> np.ndarray:
        """(N, K) scores of the video so far."""
        if not self.rule.mask_scoring:
            return self.class_scores
        inside, area = self.inside.T
        return self.class_scores * (inside / np.maximum(area, 1))[:, None]

    def finish(self, video_id: int) -> VideoTracks:
        """Return the best (query, class) pairs of the video.

        The best by class are kept and then scored, as the published codes do
        (GenVIS, genvis/genvis_model.py, ``inference``).
        """
        best = np.argsort(-self.class_scores, axis=None, kind='stable')[: self.rule.max_tracks]
        scores = self.scores
        best = best[np.argsort(-scores.flat[best], kind='stable')]
        slots, labels = np.unravel_index(best, scores.shape)
        return VideoTracks(
            video_id=video_id,
            length=self.length,
            scores=scores[slots, labels],
            labels=labels,
            slots=slots,
            segmentations=[
                [self.masks.get(int(slot), {}).get(t) for t in range(self.length)] for slot in slots
            ],
        )


def encode_mask(mask: np.ndarray) -> RLE:
    """Return the compressed run-length code of a (H, W) bool mask, counts as str."""
    rle = coco_mask.encode(np.asfortranarray(mask.view(np.uint8)))
    return {'size': [int(x) for x in rle['size']], 'counts': rle['counts'].decode('ascii')}

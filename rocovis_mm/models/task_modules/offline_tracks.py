"""Tracks of an offline model: which of its queries are kept, and their masks.

N queries, I instances of a video, K classes, T frames, H x W a frame's own size, h x w the
resolution of mask logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.streaming.frame_masks import QUERIES_AT_ONCE, FrameSizes
from rocovis_mm.structures import RLE, VideoTracks

KEEP = ('queries', 'pairs')
RESIZE = ('input', 'direct')
MASK_STRIDE = 4
"""Of mask logits that are enlarged to the input's size."""


@dataclass(frozen=True)
class OfflineTrackRule:
    """How a prediction becomes tracks.

    Attributes:
        keep: 'queries': the best queries by their best class, with all of their classes above
            `score_thr` (SeqFormer in VNext). 'pairs': the best pairs of a query and a class
            (SeqFormer's first release, VMT).
        max_tracks: number of queries, or of pairs.
        score_thr: a track of a query has a higher score.
        resize: 'input': logits are enlarged four times, cut to the input without padding, and
            their probabilities brought to the frame's size by the nearest neighbour. 'direct':
            logits are brought to the frame's size bilinearly, padding included.
        drop_empty: leave out tracks without any mask.
    """

    keep: str = 'queries'
    max_tracks: int = 10
    score_thr: float = 0.05
    resize: str = 'input'
    drop_empty: bool = False

    def __post_init__(self) -> None:
        for name, choices in (('keep', KEEP), ('resize', RESIZE)):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f'track_rule.{name}={getattr(self, name)!r}: choose one of {choices}'
                )
        if self.max_tracks < 1:
            raise ValueError(f'track_rule.max_tracks={self.max_tracks}: keep at least one track')

    def choose_queries(self, scores: Tensor) -> Tensor:
        """Return the queries (n,) whose masks are needed, best first.

        Args:
            scores: (N, K) class probabilities.
        """
        if self.keep == 'queries':
            return scores.amax(-1).topk(min(self.max_tracks, len(scores))).indices
        rows = best_pairs(scores, self.max_tracks)[0].tolist()
        return torch.tensor(list(dict.fromkeys(rows)), device=scores.device)

    def choose_tracks(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rows and classes of the tracks.

        Args:
            scores: (I, K) class probabilities of instances.
        """
        if self.keep == 'queries':
            return (scores > self.score_thr).nonzero(as_tuple=True)
        return best_pairs(scores, self.max_tracks)


def best_pairs(scores: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Return the rows and columns of the highest of (N, K) scores, best first."""
    best = scores.flatten().topk(min(number, scores.numel())).indices
    return best // scores.shape[1], best % scores.shape[1]


class MaskTubes:
    """Masks of a video's instances as run lengths, gathered frame by frame.

    Args:
        sizes: of every frame.
        resize: see :class:`OfflineTrackRule`.
    """

    def __init__(self, sizes: FrameSizes, resize: str) -> None:
        self.sizes = sizes
        self.resize = resize
        self.length = 0
        self._masks: dict[int, dict[int, RLE]] = {}  # instance -> frame -> mask

    def add(self, numbers: Sequence[int] | np.ndarray, logits: Tensor) -> None:
        """Add the next frame.

        Args:
            numbers: (m,) of instances.
            logits: (m, h, w), theirs.
        """
        for start in range(0, len(numbers), QUERIES_AT_ONCE):
            some = slice(start, start + QUERIES_AT_ONCE)
            masks = frame_masks(logits[some], self.sizes, self.resize).cpu().numpy()
            for number, mask in zip(numbers[some], masks):
                if mask.any():
                    self._masks.setdefault(int(number), {})[self.length] = encode_mask(mask)
        self.length += 1

    def segmentations(self, number: int) -> list[RLE | None]:
        """Return the masks of an instance, None where it has none."""
        found = self._masks.get(number, {})
        return [found.get(t) for t in range(self.length)]


def frame_masks(logits: Tensor, sizes: FrameSizes, resize: str) -> Tensor:
    """Return masks (m, H, W) bool from logits (m, h, w), m > 0.

    Args:
        logits: at stride 4 of the padded input, or at any resolution ('direct').
        sizes: of the frame.
        resize: see :class:`OfflineTrackRule`.
    """
    if resize == 'direct':
        return enlarge(logits, sizes.ori_shape).sigmoid() > 0.5
    height, width = (MASK_STRIDE * side for side in logits.shape[-2:])
    masks = enlarge(logits, (height, width)).sigmoid()
    masks = masks[..., : sizes.img_shape[0], : sizes.img_shape[1]]
    return F.interpolate(masks[None], sizes.ori_shape, mode='nearest')[0] > 0.5


def enlarge(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (m, h, w) logits, bilinearly resized."""
    return F.interpolate(logits[None].float(), size, mode='bilinear', align_corners=False)[0]


def make_tracks(
    video_id: int,
    scores: Tensor,
    numbers: Sequence[int],
    tubes: MaskTubes,
    rule: OfflineTrackRule,
    labels: range,
) -> VideoTracks:
    """Return the tracks of a video, best first.

    Args:
        video_id: of the annotation file.
        scores: (I, K) class probabilities of instances.
        numbers: I numbers of the instances in `tubes`.
        tubes: their masks.
        rule: which tracks are kept.
        labels: class outputs that are the data set's labels; a track of another one is left out.
    """
    found = []
    for row, column in zip(*(x.tolist() for x in rule.choose_tracks(scores))):
        segmentations = tubes.segmentations(numbers[row])
        if column in labels and not (rule.drop_empty and not any(segmentations)):
            score = scores[row, column].item()
            found.append((score, labels.index(column), numbers[row], segmentations))
    found.sort(key=lambda track: -track[0])
    return VideoTracks(
        video_id=video_id,
        length=tubes.length,
        scores=np.array([track[0] for track in found]),
        labels=np.array([track[1] for track in found], dtype=int),
        identities=np.array([track[2] for track in found], dtype=int),
        segmentations=[track[3] for track in found],
    )

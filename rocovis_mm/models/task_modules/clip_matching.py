"""Linking of instances between overlapping clips (Hwang et al. 2021, IFC), as SeqFormer does.

n instances of a clip, I instances of the video so far, T frames of a clip, K classes,
h x w the resolution of mask logits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

EPS = 1e-6


def clip_windows(length: int, clip_length: int, stride: int) -> list[tuple[int, int]]:
    """Return the first frame and the end of each clip of a video.

    The first clip that reaches the video's end is moved to end there, and is the last one
    (VNext, SeqFormer, seqformer.py:236-245).

    Args:
        length: frames of the video.
        clip_length: frames of a clip.
        stride: frames from the start of a clip to the start of the next one.
    """
    windows = []
    for start in range(0, length, stride):
        if start + clip_length >= length:
            return [*windows, (max(0, length - clip_length), length)]
        windows.append((start, start + clip_length))
    return windows


@dataclass(frozen=True)
class PastClip:
    """A clip that later ones are compared with.

    Attributes:
        start: its first frame.
        instances: (n,) numbers of the video's instances.
        masks: (n, T, h, w) pixel probabilities.
    """

    start: int
    instances: np.ndarray
    masks: Tensor

    def overlap(self, start: int, end: int) -> tuple[int, int]:
        """Return the first frame and the end of the frames that it shares with others."""
        return max(self.start, start), min(self.start + self.masks.shape[1], end)


class ClipTracks:
    """Instances of one video, which clips are added to in order.

    A frame that no further clip can reach is handed out and forgotten, so that the memory does
    not grow with the video, except by a row of class probabilities for each instance.

    Args:
        threshold: soft IoU up to which an instance of a clip is a new one.

    Attributes:
        first: the first frame that was not handed out.
    """

    def __init__(self, threshold: float = 0.01) -> None:
        self.threshold = threshold
        self.first = 0
        self._past: deque[PastClip] = deque()
        self._scores: list[Tensor] = []  # of each instance: (K,) sum over its clips
        self._clips: list[int] = []  # of each instance: number of its clips
        self._logits: dict[int, dict[int, Tensor]] = {}  # frame -> instance -> (h, w) sum
        self._covered: dict[int, dict[int, int]] = {}  # frame -> instance -> number of clips

    def __len__(self) -> int:
        return len(self._scores)

    @property
    def scores(self) -> Tensor:
        """(I, K), the mean class probabilities of each instance over its clips."""
        return torch.stack([total / number for total, number in zip(self._scores, self._clips)])

    def add(self, start: int, scores: Tensor, mask_logits: Tensor) -> np.ndarray:
        """Add a clip and return the numbers (n,) of its instances.

        Args:
            start: its first frame.
            scores: (n, K) class probabilities.
            mask_logits: (n, T, h, w).

        Raises:
            ValueError: it begins before a frame that was handed out.
        """
        if start < self.first:
            raise ValueError(
                f'a clip begins at frame {start}, but the frames before {self.first} were handed '
                'out: add clips in order'
            )
        length = mask_logits.shape[1]
        masks = mask_logits.float().sigmoid()
        while len(self._past) > length:
            self._past.popleft()
        numbers = self.match(start, masks)
        for row, number in enumerate(numbers.tolist()):
            if number == len(self._scores):
                self._scores.append(torch.zeros_like(scores[row]))
                self._clips.append(0)
            self._scores[number] = self._scores[number] + scores[row]
            self._clips[number] += 1
            for t in range(length):
                self._add_frame(start + t, number, mask_logits[row, t])
        self._past.append(PastClip(start, numbers, masks))
        return numbers

    def _add_frame(self, frame: int, number: int, logits: Tensor) -> None:
        sums = self._logits.setdefault(frame, {})
        counts = self._covered.setdefault(frame, {})
        sums[number] = sums[number] + logits if number in sums else logits
        counts[number] = counts.get(number, 0) + 1

    def match(self, start: int, masks: Tensor) -> np.ndarray:
        """Return the number (n,) of each instance of a clip; new ones follow the old ones.

        Args:
            start: the clip's first frame.
            masks: (n, T, h, w) pixel probabilities.
        """
        similar = self.similarities(start, masks)
        similar = np.where(similar > self.threshold, similar, 0)
        numbers = np.full(len(masks), -1)
        for old, row in zip(*linear_sum_assignment(similar, maximize=True)):
            if similar[old, row] > 0:
                numbers[row] = old
        new = np.flatnonzero(numbers < 0)
        numbers[new] = len(self) + np.arange(len(new))
        return numbers

    def similarities(self, start: int, masks: Tensor) -> np.ndarray:
        """Return (I, n), the soft IoU with each instance in the last clips that have it.

        As many clips count as the new one has frames (VNext, SeqFormer, clip_output.py:63-72).

        Args:
            start: the clip's first frame.
            masks: (n, T, h, w) pixel probabilities.
        """
        total = masks.new_zeros(len(self), len(masks))
        clips = masks.new_zeros(len(self), 1)
        for past in self._past:
            first, end = past.overlap(start, start + masks.shape[1])
            if first >= end:
                continue
            theirs = past.masks[:, first - past.start : end - past.start]
            rows = torch.from_numpy(past.instances).to(masks.device)
            total[rows] += soft_iou(theirs, masks[:, first - start : end - start])
            clips[rows] += 1
        return (total / (clips + EPS)).cpu().numpy()

    def hand_out(self, end: int) -> list[tuple[np.ndarray, Tensor]]:
        """Return the frames before `end`, in order, and forget them.

        Args:
            end: no further clip begins before it.

        Returns:
            for each frame the numbers (m,) of the instances that a clip has in it, and the mean
            (m, h, w) of the clips' mask logits.
        """
        found = []
        for frame in range(self.first, end):
            sums, counts = self._logits.pop(frame, {}), self._covered.pop(frame, {})
            numbers = np.array(list(sums), dtype=int)
            means = [sums[number] / counts[number] for number in sums]
            found.append((numbers, torch.stack(means) if means else torch.zeros(0, 1, 1)))
        self.first = max(self.first, end)
        return found


def soft_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return (m, n), the IoU of pixel probabilities (m, T, h, w) and (n, T, h, w).

    In float32 also under autocast: sums over the pixels exceed half precision.
    """
    first, second = first.flatten(1).float(), second.flatten(1).float()
    with torch.autocast(first.device.type, enabled=False):
        shared = first @ second.T
    either = first.sum(1)[:, None] + second.sum(1) - shared
    return shared / (either + EPS)

"""Training draws that can be resumed at any number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from rocovis_mm.datasets.draws import Draw
from rocovis_mm.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class ClipSampler(Sampler):
    """Yield :class:`Draw`: videos in random order, pass after pass.

    The draws of all ranks are numbered 0, 1, 2, ...; rank r of R takes r, r + R,
    ... Draw g is a function of (seed, g) alone: so a run goes on exactly where it
    stopped, and R ranks with batch b see what one rank with batch R * b sees.

    Args:
        dataset: its length is the number of videos n.
        seed: of the whole run, the same on all ranks; None agrees on a random one.
        shuffle: whether each pass has its own random order.
        infinite: go on for ever, for training by iterations; otherwise yield one
            pass, rounded up to a multiple of the ranks, for training by epochs.
        event_prob: share of the draws that take, instead of the next video in turn, one of
            the data set's ``event_videos``, in which an instance comes or goes.

    Raises:
        ValueError: there are no videos, or none to prefer.
    """

    def __init__(
        self,
        dataset: Sized,
        seed: int | None = None,
        shuffle: bool = True,
        infinite: bool = True,
        event_prob: float = 0.0,
    ) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.infinite = infinite
        self.event_prob = event_prob
        self.event_videos = list(getattr(dataset, 'event_videos', ())) if event_prob > 0 else []
        if event_prob > 0 and not hasattr(dataset, 'event_videos'):
            raise ValueError(
                f'ClipSampler: a {type(dataset).__name__} does not say in which of its videos '
                'something happens; set event_prob=0, or sample a rocovis_mm.VISDataset itself'
            )
        if event_prob > 0 and not self.event_videos:
            raise ValueError(
                'ClipSampler: in no video of the data set does an instance come or go; set '
                'event_prob=0'
            )
        self.start = 0
        size = len(dataset)
        if size == 0:
            raise ValueError(
                'ClipSampler: the data set has no videos; check its ann_file and filters'
            )
        self.pass_length = size if infinite else math.ceil(size / self.world_size) * self.world_size

    def __iter__(self) -> Iterator[Draw]:
        """Yield this rank's draws from `start` on."""
        number = self.start * self.world_size + self.rank
        end = math.inf if self.infinite else number - self.rank + self.pass_length
        order_of, order = -1, np.arange(0)
        while number < end:
            turn, position = divmod(number, self.pass_length)
            if turn != order_of:
                order_of, order = turn, self._order(turn)
            yield Draw(self._prefer(order[position % len(order)], number), (self.seed, number))
            number += self.world_size

    def __len__(self) -> int:
        """Number of this rank's draws in one pass."""
        return math.ceil(self.pass_length / self.world_size)

    def start_at(self, draw: int) -> None:
        """Let the next iteration begin with this rank's draw number `draw`."""
        self.start = draw

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration yield the pass `epoch`, when training by epochs."""
        if not self.infinite:
            self.start = epoch * len(self)

    def _prefer(self, video: int, number: int) -> int:
        """Replace the video in turn by one with an event, with ``event_prob``."""
        if not self.event_videos:
            return video
        rng = np.random.default_rng((self.seed, number, 1))  # items take (seed, number)
        return rng.choice(self.event_videos) if rng.random() < self.event_prob else video

    def _order(self, turn: int) -> np.ndarray:
        """Return the order of the videos in pass `turn`."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return np.random.default_rng((self.seed, turn)).permutation(len(self.dataset))

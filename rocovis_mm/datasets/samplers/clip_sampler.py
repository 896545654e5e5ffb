"""Training draws that can be resumed at any number."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sized

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.logging import print_log
from torch.utils.data import Sampler

from rocovis_mm.datasets.draws import Draw
from rocovis_mm.datasets.joint_dataset import JointDataset
from rocovis_mm.datasets.samplers.mixture import Mixture
from rocovis_mm.registry import DATA_SAMPLERS

ORDER_STREAM = 3
"""Part k of several takes its order from the random numbers of stream 3 + k (see ``Mixture``)."""


@DATA_SAMPLERS.register_module()
class ClipSampler(Sampler):
    """Yield :class:`Draw`: videos in random order, pass after pass.

    The draws of all ranks are numbered 0, 1, 2, ... Rank r of R takes r, r + R, ... Draw g is a
    function of (seed, g) alone. Therefore a run resumes exactly where it stopped, and R ranks with
    batch size b see the same data as one rank with batch size R * b.

    In a ``JointDataset`` each draw chooses a part by the ratios, and takes the next item of that
    part, which has passes of its own.

    Args:
        dataset: its length is the number of videos n.
        seed: of the whole run, the same on all ranks; None agrees on a random one.
        shuffle: whether each pass has its own random order.
        infinite: whether to yield draws without end, for training by iterations; otherwise one
            pass, rounded up to a multiple of the ranks, for training by epochs. A pass of a
            ``JointDataset`` contains each item of its first part once on average.
        event_prob: share of the draws that take one of the data set's ``event_videos``, if any,
            in which an instance comes or goes, instead of the next video. In a ``JointDataset``,
            share of the draws from parts with such videos.

    Raises:
        ValueError: there are no videos, or the data set has no ``event_videos``.
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
        joint = isinstance(dataset, JointDataset)
        self.parts = dataset.datasets if joint else [dataset]
        self.shares = dataset.shares if joint else [1.0]
        self.sizes = [len(part) for part in self.parts]
        if min(self.sizes) == 0:
            raise ValueError(
                'ClipSampler: the data set has no videos; check its ann_file and filters'
            )
        self.event_videos = self._find_event_videos() if event_prob > 0 else [[]] * len(self.parts)
        self.start = 0
        size = math.ceil(self.sizes[0] / self.shares[0])
        self.pass_length = size if infinite else math.ceil(size / self.world_size) * self.world_size

    def __iter__(self) -> Iterator[Draw]:
        """Yield this rank's draws from `start` on, to the end of that pass or without end."""
        number = self.start * self.world_size + self.rank
        end = math.inf if self.infinite else (self.start // len(self) + 1) * self.pass_length
        mixture = Mixture(self.seed, self.shares)
        orders: dict[int, tuple[int, np.ndarray]] = {}
        while number < end:
            part, count = mixture.locate(number)
            turn, position = divmod(count, self._turn_length(part))
            if orders.get(part, (-1,))[0] != turn:
                orders[part] = turn, self._order(part, turn)
            order = orders[part][1]
            video = self._prefer(part, order[position % len(order)], number)
            yield Draw(sum(self.sizes[:part]) + video, (self.seed, number))
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

    def _find_event_videos(self) -> list[list[int]]:
        """Return each part's videos with an event, if it has such a list."""
        found = [getattr(part, 'event_videos', None) for part in self.parts]
        if all(videos is None for videos in found):
            raise ValueError(
                f'ClipSampler: a {type(self.dataset).__name__} has no event_videos; set '
                'event_prob=0, or use a rocovis_mm.VISDataset directly'
            )
        if not any(found):
            print_log(
                'ClipSampler: in no video of the data set does an instance come or go: event_prob '
                'prefers none',
                'current',
                logging.WARNING,
            )
        return [list(videos or ()) for videos in found]

    def _turn_length(self, part: int) -> int:
        """Number of draws from a part after which its next order begins."""
        return self.pass_length if len(self.parts) == 1 else self.sizes[part]

    def _prefer(self, part: int, video: int, number: int) -> int:
        """Replace a video by one with an event, with probability ``event_prob``."""
        if not self.event_videos[part]:
            return video
        rng = np.random.default_rng((self.seed, number, 1))  # items take (seed, number)
        return rng.choice(self.event_videos[part]) if rng.random() < self.event_prob else video

    def _order(self, part: int, turn: int) -> np.ndarray:
        """Return the order of a part's videos in its pass `turn`."""
        if not self.shuffle:
            return np.arange(self.sizes[part])
        key = (self.seed, turn) if len(self.parts) == 1 else (self.seed, turn, ORDER_STREAM + part)
        return np.random.default_rng(key).permutation(self.sizes[part])

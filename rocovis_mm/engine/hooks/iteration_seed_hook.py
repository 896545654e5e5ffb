"""The same random numbers in an iteration, whether the run was resumed or not."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.registry import HOOKS

POINTS = 2
"""Last number of a clip's key; the data take (seed, number) and (seed, number, 1)."""


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seed all generators by (seed, iteration, rank) before each training iteration.

    The random draws of a model (dropped paths) are then a function of the iteration, so that a
    resumed run computes the same as an uninterrupted one. Each clip moreover gets a
    ``draw_key`` of the seed and the number of its draw in the whole run, as the
    ``ClipSampler`` counts: the points of matching and losses are drawn from it, so that
    several ranks learn from the same points as one rank with all their clips.
    The seed is the runner's, which mmengine restores on resuming.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed Python's, NumPy's and PyTorch's generators, on all devices; name the draws."""
        rank, ranks = get_dist_info()
        words = np.random.SeedSequence((runner.seed, runner.iter, rank)).generate_state(3)
        random.seed(int(words[0]))
        np.random.seed(words[1])
        torch.manual_seed(int(words[2]))
        samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
        for position, sample in enumerate(samples or []):
            if hasattr(sample, 'video_data_samples'):
                number = (runner.iter * len(samples) + position) * ranks + rank
                sample[0].set_metainfo(dict(draw_key=(runner.seed, number, POINTS)))

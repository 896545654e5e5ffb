"""The same random numbers in an iteration, whether the run was resumed or not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.registry import HOOKS


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seed all generators by (seed, iteration, rank) before each training iteration.

    What a model draws (points in a loss, dropped paths) is then a function of the
    iteration, so that a resumed run computes what an uninterrupted one does.
    The seed is the runner's, which mmengine restores on resuming.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Sequence[dict] | None = None
    ) -> None:
        """Seed Python's, NumPy's and PyTorch's generators, on all devices."""
        key = (runner.seed, runner.iter, get_rank())
        words = np.random.SeedSequence(key).generate_state(3)
        random.seed(int(words[0]))
        np.random.seed(words[1])
        torch.manual_seed(int(words[2]))

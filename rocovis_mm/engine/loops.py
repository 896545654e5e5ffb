"""A training loop whose data goes on where it stopped."""

from __future__ import annotations

import logging
from typing import Any

import torch.nn as nn
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import BatchSampler, DataLoader

from rocovis_mm.datasets.samplers import ClipSampler
from rocovis_mm.registry import LOOPS
from rocovis_mm.utils.config import check_complete

DRAW_SEED = 'draw_seed'
"""Where the sampler's seed stands in the message hub, and so in checkpoints."""
VALIDATED = 'validated_at'
"""Where the iteration stands that was validated last."""


@LOOPS.register_module()
class IterTrainLoop(IterBasedTrainLoop):
    """MMEngine's loop by iterations, resuming at once and exactly.

    MMEngine reaches the iteration it resumes at by loading and throwing away all
    batches before it (mmengine 0.10.7, ``runner/loops.py:279``). Here the
    ``ClipSampler`` is told at which draw to go on. Where a run was cut off between a
    checkpoint and the validation that follows it, the validation comes first. With another
    sampler the loop does as MMEngine's. Arguments are those of
    :class:`mmengine.runner.IterBasedTrainLoop`.
    """

    def __init__(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        check_complete(runner.cfg)
        super().__init__(runner, *args, **kwargs)

    def run(self) -> nn.Module:
        """Train until ``max_iters``, validating at intervals; return the model."""
        sampler = find_clip_sampler(self.dataloader)
        if sampler is None:
            return super().run()
        if self._iter > 0:
            self._go_on(sampler)
        self.runner.message_hub.update_info(DRAW_SEED, sampler.seed)
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter > 0:
            self._decide_current_val_interval()
            self._validate_if_due()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            self._decide_current_val_interval()
            self._validate_if_due()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _go_on(self, sampler: ClipSampler) -> None:
        """Let the data begin with the batch of the iteration resumed at."""
        counts = getattr(self.runner.optim_wrapper, '_accumulative_counts', 1)
        if self._iter % counts:
            print_log(
                f'resuming at iteration {self._iter}, in the middle of {counts} iterations whose '
                'gradients are accumulated: those before it are lost. Let accumulative_counts '
                "divide the checkpoints' interval for an exact resume",
                logger='current',
                level=logging.WARNING,
            )
        sampler.seed = self.runner.message_hub.runtime_info.get(DRAW_SEED, sampler.seed)
        self.start_data_at(self._iter)

    def start_data_at(self, iteration: int) -> None:
        """Let the data go on with the batch of `iteration`, made by new workers.

        What was loaded ahead is dropped. With another sampler than a ``ClipSampler`` the data
        start anew.
        """
        sampler = find_clip_sampler(self.dataloader)
        if sampler is not None:
            sampler.start_at(iteration * self.dataloader.batch_sampler.batch_size)
        make_iterator = type(self.dataloader_iterator)
        self.dataloader_iterator = None
        self.dataloader._iterator = None  # workers that persist hold the data set as it was
        self.dataloader_iterator = make_iterator(self.dataloader)

    def _validate_if_due(self) -> None:
        """Validate after the iteration that just ended, if it is due and was not done."""
        if self.runner.val_loop is None or self._iter < self.val_begin:
            return
        hub = self.runner.message_hub
        due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
        if due and hub.runtime_info.get(VALIDATED) != self._iter:
            hub.update_info(VALIDATED, self._iter)  # a best checkpoint is to hold it
            self.runner.val_loop.run()


def find_clip_sampler(dataloader: DataLoader) -> ClipSampler | None:
    """Return the sampler if it is an infinite ``ClipSampler`` in plain batches, else None."""
    batches = dataloader.batch_sampler
    if type(batches) is not BatchSampler or not isinstance(batches.sampler, ClipSampler):
        return None
    return batches.sampler if batches.sampler.infinite else None

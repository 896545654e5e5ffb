"""Training loops that stop on request and resume with the next batch of their data."""

from __future__ import annotations

import logging
from typing import Any

import torch.nn as nn
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch.utils.data import BatchSampler, DataLoader

from rocovis_mm.datasets.samplers import ClipSampler
from rocovis_mm.engine.interruption import VALIDATED, Interruption, unheard_by_children
from rocovis_mm.registry import LOOPS
from rocovis_mm.utils.config import check_complete
from rocovis_mm.utils.divergence import named_in_matching

DRAW_SEED = 'draw_seed'
"""Key of the sampler's seed in the message hub, and so in checkpoints."""


@LOOPS.register_module()
class IterTrainLoop(IterBasedTrainLoop):
    """MMEngine's loop by iterations, resuming at once and exactly.

    MMEngine reaches the iteration it resumes at by loading and throwing away all
    batches before it (mmengine 0.10.7, ``runner/loops.py:279``). Here the
    ``ClipSampler`` resumes at the right draw. Where a run was cut off between a
    checkpoint and the validation that follows it, the validation comes first. With another
    sampler the loop does as MMEngine's. Ctrl-C and SIGTERM end the run after an iteration, see
    :class:`Interruption`. Arguments are those of :class:`mmengine.runner.IterBasedTrainLoop`.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, **kwargs: Any) -> None:
        check_complete(runner.cfg)
        with unheard_by_children():
            super().__init__(runner, dataloader, **kwargs)
        self.interruption = Interruption(runner)

    def run(self) -> nn.Module:
        """Train until ``max_iters``, validating at intervals; return the model."""
        with self.interruption:
            sampler = find_clip_sampler(self.dataloader)
            return super().run() if sampler is None else self._run(sampler)

    def run_iter(self, data_batch: Any) -> None:
        """Train one iteration, and end the run after it if a signal has come."""
        with named_in_matching():
            super().run_iter(data_batch)
        if self.interruption.is_due(self._iter):
            self.interruption.end(self._iter)

    def _run(self, sampler: ClipSampler) -> nn.Module:
        """Train with clips whose order is known in advance."""
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
            self.run_iter(self.interruption.next_batch(self.dataloader_iterator, self._iter))
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
        """Let the data continue with the batch of `iteration`, made by new workers.

        Batches that were loaded ahead are dropped. With another sampler than a ``ClipSampler``
        the data start anew.
        """
        sampler = find_clip_sampler(self.dataloader)
        if sampler is not None:
            sampler.start_at(iteration * self.dataloader.batch_sampler.batch_size)
        make_iterator = type(self.dataloader_iterator)
        self.dataloader_iterator = None
        self.dataloader._iterator = None  # workers that persist hold the data set as it was
        with unheard_by_children():
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


@LOOPS.register_module()
class EpochTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop by epochs, which can stop and resume within an epoch.

    Ctrl-C and SIGTERM end the run after an iteration, see :class:`Interruption`. Where it is
    resumed, the rest of the epoch follows: at once with a ``ClipSampler``, else after loading the
    batches before it. Arguments are those of :class:`mmengine.runner.EpochBasedTrainLoop`.
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, **kwargs: Any) -> None:
        check_complete(runner.cfg)
        super().__init__(runner, dataloader, **kwargs)
        self.interruption = Interruption(runner)

    def run(self) -> nn.Module:
        """Train until ``max_epochs``, validating at intervals; return the model."""
        with self.interruption:
            return super().run()

    def run_epoch(self) -> None:
        """Train one epoch, or the rest of it."""
        done = max(0, self._iter - self._epoch * len(self.dataloader))
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        sampler, skipped = find_clip_sampler(self.dataloader, infinite=False), 0
        if sampler is not None:
            sampler.start_at(sampler.start + done * self.dataloader.batch_size)
            skipped = done
        batches = iter(self.dataloader)
        for index in range(skipped, len(self.dataloader)):
            data_batch = self.interruption.next_batch(batches, self._iter)
            if index >= done:
                self.run_iter(index, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train one iteration, and end the run after it if a signal has come."""
        with named_in_matching():
            super().run_iter(idx, data_batch)
        if self.interruption.is_due(self._iter):
            self.interruption.end(self._iter)


def find_clip_sampler(dataloader: DataLoader, infinite: bool = True) -> ClipSampler | None:
    """Return the sampler if it is a ``ClipSampler`` in plain batches, else None.

    Args:
        dataloader: to look into.
        infinite: which kind of ``ClipSampler`` is looked for.
    """
    batches = dataloader.batch_sampler
    if type(batches) is not BatchSampler or not isinstance(batches.sampler, ClipSampler):
        return None
    return batches.sampler if batches.sampler.infinite == infinite else None

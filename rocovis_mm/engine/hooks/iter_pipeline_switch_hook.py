"""Another data pipeline for a later part of a training run by iterations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.dataset import Compose
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.engine.loops import IterTrainLoop
from rocovis_mm.registry import HOOKS


@HOOKS.register_module()
class IterPipelineSwitchHook(Hook):
    """Trains with other transforms from an iteration on.

    MMDetection's ``PipelineSwitchHook`` does so by epochs. The switch is exactly between two
    batches, also where workers have loaded ahead and where a run is resumed. Batches that the
    old pipeline loaded ahead are dropped, and drawn again for the new one. A run may have several
    of these hooks, the earliest first.

    Args:
        switch_iter: the first iteration that trains with `switch_pipeline`.
        switch_pipeline: the transforms.
        switch_batch_size: clips of a batch from then on; None leaves their number.

    Raises:
        ValueError: `switch_batch_size` is below 1, the loop is not an ``IterTrainLoop``, or the
            data set has no pipeline.
    """

    def __init__(
        self,
        switch_iter: int,
        switch_pipeline: Sequence[dict],
        switch_batch_size: int | None = None,
    ) -> None:
        if switch_batch_size is not None and switch_batch_size < 1:
            raise ValueError(
                f'IterPipelineSwitchHook: switch_batch_size={switch_batch_size}; give a number of '
                'clips from 1 on, or None'
            )
        self.switch_iter = switch_iter
        self.switch_pipeline = switch_pipeline
        self.switch_batch_size = switch_batch_size

    def before_train(self, runner: Runner) -> None:
        """Build the second pipeline, so that its mistakes show now, and switch if that is due."""
        loop = runner.train_loop
        if not isinstance(loop, IterTrainLoop):
            raise ValueError(
                f'IterPipelineSwitchHook: a {type(loop).__name__} does not say where the data of '
                "an iteration begin; train with train_cfg=dict(type='rocovis_mm.IterTrainLoop')"
            )
        if not hasattr(loop.dataloader.dataset, 'pipeline'):
            raise ValueError(
                f'IterPipelineSwitchHook: a {type(loop.dataloader.dataset).__name__} has no '
                '`pipeline` that could be switched; take one data set, or remove the hook'
            )
        self.pipeline = Compose(self.switch_pipeline)
        if runner.iter >= self.switch_iter:
            self._switch(runner, runner.iter)

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Switch after the last iteration with the first pipeline."""
        if runner.iter + 1 == self.switch_iter:
            self._switch(runner, self.switch_iter)

    def _switch(self, runner: Runner, iteration: int) -> None:
        """Let the batches from that of `iteration` on be made by the second pipeline."""
        runner.logger.info(f'iteration {iteration}: the data pipeline is switched')
        dataloader = runner.train_loop.dataloader
        dataloader.dataset.pipeline = self.pipeline
        if self.switch_batch_size is not None:
            dataloader.batch_sampler.batch_size = self.switch_batch_size
        runner.train_loop.start_data_at(iteration)

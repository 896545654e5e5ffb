"""Batch norms that stop to depend on the batch in the last part of a training run."""

from __future__ import annotations

from typing import Any

from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm

from rocovis_mm.registry import HOOKS


@HOOKS.register_module()
class NormEvalHook(Hook):
    """From an iteration on, train with the batch norms' running statistics.

    MMDetection's ``norm_eval=True`` from `begin` on: a model that starts from random
    weights needs the statistics of its batches first. Those of two or four clips are noisy,
    and differ from those of the test. The last iterations can do without them. Weights
    and biases of the norms continue to learn. All ranks take the statistics of the first, the only
    ones that a checkpoint holds. Give the norms a small ``momentum`` so that those
    average over many batches.

    Args:
        begin: the first iteration with fixed statistics.
    """

    priority = 'VERY_HIGH'

    def __init__(self, begin: int) -> None:
        self.begin = begin

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Fix the statistics, at every iteration anew: a validation unfixes them."""
        if runner.iter < self.begin:
            return
        norms = [module for module in runner.model.modules() if isinstance(module, _BatchNorm)]
        for norm in norms:
            norm.eval()
        if runner.iter == self.begin:
            runner.logger.info(
                f'iteration {runner.iter}: the statistics of {len(norms)} batch norms are fixed'
            )
            for norm in norms:
                for statistic in norm.buffers():
                    broadcast(statistic)

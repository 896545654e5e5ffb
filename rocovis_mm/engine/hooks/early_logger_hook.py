"""A log of a run from its first iteration on."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import LoggerHook
from mmengine.runner import Runner

from rocovis_mm.registry import HOOKS

EARLY = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Iterations since the start, or the resume, that are logged where `interval` is above them."""


@HOOKS.register_module()
class EarlyLoggerHook(LoggerHook):
    """MMEngine's logger, which logs early iterations too and counts figures in iterations.

    At an interval of 50 a CPU may log nothing for minutes, and a mistake of the config shows
    late. MMEngine moreover counts the figures of a validation in epochs (mmengine 0.10.7,
    ``hooks/logger_hook.py:252``). In a run by iterations that step is 0 for all of them.
    Arguments are those of :class:`mmengine.hooks.LoggerHook`.
    """

    def __init__(self, *args: Any, log_metric_by_epoch: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, log_metric_by_epoch=log_metric_by_epoch, **kwargs)
        self.start = 0

    def before_train(self, runner: Runner) -> None:
        """Remember the iteration that the run starts at."""
        self.start = runner.iter

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Log the iteration at the interval, or early."""
        interval, done = self.interval, runner.iter + 1 - self.start
        if done in EARLY and done < interval:
            self.interval = 1
        try:
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
        finally:
            self.interval = interval

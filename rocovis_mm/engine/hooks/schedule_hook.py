"""Learning rates of a resumed run are those of its own schedule."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner

from rocovis_mm.registry import HOOKS

PROGRESS = {'last_step', '_global_step', '_last_value', 'verbose'}
"""State of a scheduler that depends on how far a run is, not on its schedule."""


@HOOKS.register_module()
class ScheduleHook(ParamSchedulerHook):
    """MMEngine's hook that steps the schedulers, and lets a resumed run follow its config.

    MMEngine restores every attribute of a scheduler from the checkpoint, its end and its milestones
    among them (mmengine 0.10.7, ``optim/scheduler/param_scheduler.py:148``): a run that is resumed
    with more iterations would follow the shorter schedule, at whose end it is. Here a scheduler
    whose settings differ from the checkpoint's is taken from the config and stepped to the
    iteration resumed at. Where nothing differs, the state stays as restored.
    """

    def before_run(self, runner: Runner) -> None:
        """Remember the schedulers as the config builds them, before a checkpoint is loaded."""
        self.built = [copy.deepcopy(s.state_dict()) for s in schedulers_of(runner)]
        self.values = [values_set_by(scheduler) for scheduler in schedulers_of(runner)]

    def before_train(self, runner: Runner) -> None:
        """Compare the restored schedulers with the config's."""
        if runner.iter == 0:
            return
        if runner.iter > runner.max_iters:
            runner.logger.warning(
                f'the checkpoint is of iteration {runner.iter}, after the end of this run at '
                f'{runner.max_iters}: nothing is trained'
            )
        schedulers = list(schedulers_of(runner))
        if len(schedulers) != len(self.built) or all(
            settings(scheduler.state_dict()) == settings(state)
            for scheduler, state in zip(schedulers, self.built)
        ):
            return
        runner.logger.info(
            "the schedule is not the checkpoint's: learning rates continue as in a run that had "
            'this schedule from its start',
        )
        self.start_anew(schedulers)
        go_to_iteration(schedulers, runner)

    def start_anew(self, schedulers: Iterable[_ParamScheduler]) -> None:
        """Bring schedulers and the values that they set back to the start of a run."""
        for scheduler, state, values in zip(schedulers, self.built, self.values):
            optimizer = scheduler.optimizer
            vars(scheduler).clear()
            vars(scheduler).update(copy.deepcopy(state), optimizer=optimizer)
            for group, value in zip(optimizer.param_groups, values):
                group.update(value)


def values_set_by(scheduler: _ParamScheduler) -> list[dict[str, Any]]:
    """Return the values of each parameter group that a scheduler sets, now and at the start."""
    names = (scheduler.param_name, f'initial_{scheduler.param_name}')
    return [{name: group[name] for name in names} for group in scheduler.optimizer.param_groups]


def settings(state: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a scheduler's state that the config decides."""
    return {key: value for key, value in state.items() if key not in PROGRESS}


def schedulers_of(runner: Runner) -> Iterator[_ParamScheduler]:
    """Yield the schedulers that are functions of the iteration or epoch; none before a test."""
    built = runner.param_schedulers
    lists = built.values() if isinstance(built, dict) else [built]
    for scheduler in (each for part in lists if isinstance(part, list) for each in part):
        follows_figures = getattr(scheduler, 'need_val_args', False)
        if isinstance(scheduler, _ParamScheduler) and not follows_figures:
            yield scheduler


def go_to_iteration(schedulers: Iterable[_ParamScheduler], runner: Runner) -> None:
    """Step schedulers as often as a run does up to the runner's iteration."""
    by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
    epoch_length = len(runner.train_dataloader) if by_epoch else runner.iter + 1
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that the optimizer makes no step in between
        for iteration in range(1, runner.iter + 1):
            for scheduler in schedulers:
                if not scheduler.by_epoch:
                    scheduler.step()
            for scheduler in schedulers:
                if scheduler.by_epoch and iteration % epoch_length == 0:
                    scheduler.step()

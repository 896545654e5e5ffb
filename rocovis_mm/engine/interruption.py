"""Ctrl-C and SIGTERM end a training after an iteration, with a checkpoint to resume from."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, get_world_size, is_distributed, is_main_process
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner

from rocovis_mm.engine.hooks.whole_checkpoint_hook import WholeCheckpointHook

SIGNALS = (signal.SIGINT, signal.SIGTERM)
VALIDATED = 'validated_at'
"""Key of the last validated iteration in the message hub."""
SAME = 2.0
"""Seconds in which a second signal is the same one, which `timeout` sends twice. Signals from
torchrun always are the same one, as torchrun itself kills processes that take long to end."""


class Interruption(Hook):
    """Catches signals while a loop runs, and ends the run where it can be resumed exactly.

    A second signal has its usual effect at once. Loading processes leave signals to the process
    that trains. Enter it as a context around a loop.

    Args:
        runner: of the loop.

    Attributes:
        number: of the signal that came; None before.
    """

    priority = 'LOWEST'

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.number: int | None = None
        self.came = 0.0
        self.process = os.getpid()
        self.former: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as shells set it behind `&`
                    self.former[number] = signal.signal(number, self.notice)
        self.runner.register_hook(self, 'LOWEST')
        return self

    def __exit__(self, *error: object) -> None:
        self.runner.hooks.remove(self)
        self.give_back()

    def give_back(self) -> None:
        """Restore the former handlers of signals."""
        while self.former:
            number, handler = self.former.popitem()
            signal.signal(number, handler or signal.SIG_DFL)

    def notice(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal. A later one ends the process in the usual way."""
        if os.getpid() != self.process:  # one that loads data
            if number != signal.SIGINT:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        if self.number is None:
            self.number, self.came = number, time.monotonic()
            if hasattr(signal, 'SIGCHLD'):  # torch raises wherever it hears that a loader ended
                self.former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        elif time.monotonic() - self.came > SAME and 'TORCHELASTIC_RUN_ID' not in os.environ:
            self.give_back()
            os.kill(os.getpid(), number)

    def is_due(self, iteration: int) -> bool:
        """Whether the run is to end after an iteration, the same on all ranks.

        Accumulated gradients are used first: a checkpoint does not hold them.
        """
        if get_world_size() > 1:
            number = torch.tensor(self.number or 0)
            all_reduce(number, 'max')
            if number and self.number is None:
                self.number, self.came = int(number), time.monotonic()
        counts = getattr(self.runner.optim_wrapper, '_accumulative_counts', 1)
        return self.number is not None and iteration % counts == 0

    def next_batch(self, batches: Iterator[Any], iteration: int) -> Any:
        """Return the next batch; where a signal has ended the loading too, end the run.

        Args:
            batches: of a data loader.
            iteration: how many are done.

        Raises:
            SystemExit: a signal has come, and there is no next batch.
        """
        try:
            return next(batches)
        except RuntimeError:
            if self.number is None:
                raise
            self.end(iteration, together=False)

    def after_val_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """End the run within a validation, which comes first when it is resumed.

        Raises:
            SystemExit: a signal has come.
        """
        if self.number is None:
            return
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                hook.after_val_epoch(runner)  # puts the weights of the training back
        runner.message_hub.update_info(VALIDATED, -1)
        self.end(runner.iter, together=False)

    def end(self, iteration: int, together: bool = True) -> None:
        """Write a checkpoint, log its name and exit.

        Args:
            iteration: how many are done.
            together: whether all ranks leave here.

        Raises:
            SystemExit: always, with the status that shells give to the signal.
        """
        runner = self.runner
        if together:
            runner.call_hook('before_interruption')
        saved = [
            hook.save_interrupted(runner, iteration)
            for hook in runner.hooks
            if isinstance(hook, WholeCheckpointHook)
        ]
        place = (
            f'{saved[0]} is written: --resume continues from it' if saved else 'nothing is saved'
        )
        runner.visualizer.close()
        if is_main_process():
            name = signal.Signals(self.number).name
            runner.logger.warning(f'ended by {name} after iteration {iteration}; {place}')
        if together and is_distributed():
            barrier()
            torch.distributed.destroy_process_group()
        raise SystemExit(128 + self.number)


@contextmanager
def unheard_by_children() -> Iterator[None]:
    """Let processes that are started inside never get Ctrl-C. Here it is delayed so long."""
    if not hasattr(signal, 'pthread_sigmask'):
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)

"""Counts the exits, entries and occlusions of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from rocovis_mm.evaluation.functional.clip_events import EVENT_NAMES
from rocovis_mm.registry import HOOKS

COUNTED = ('clips', *EVENT_NAMES)


@HOOKS.register_module()
class ClipEventHook(Hook):
    """Sum the ``clip_events`` of all clips of a run, and log the sums.

    The sums over all ranks are in the message hub as ``clip_events``, and so in
    checkpoints, and a resumed run continues them. While a ``CurriculumHook`` lets the model
    train on single frames, nothing is counted, as no frame follows another.

    Args:
        interval: with several ranks, iterations between two updates of the sums, each
            of which is a collective call. One rank updates them in every iteration. Let it
            divide the checkpoints' interval, or events after the last update before a
            checkpoint are missing after a resume.
    """

    priority = 'NORMAL'

    def __init__(self, interval: int = 50) -> None:
        if interval < 1:
            raise ValueError(f'ClipEventHook: interval must be at least 1, not {interval}')
        self.interval = interval
        self.pending = torch.zeros(len(COUNTED), dtype=torch.int64)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, **_: Any
    ) -> None:
        """Count the batch; update the sums at the interval."""
        if not trains_on_single_frames(runner.model):
            self.pending += self._count((data_batch or {}).get('data_samples') or [])
        if get_world_size() == 1 or (runner.iter + 1) % self.interval == 0:
            self._update(runner)

    def before_interruption(self, runner: Runner) -> None:
        """Update the sums, which the checkpoint of an interrupted run will hold."""
        self._update(runner)

    def after_train(self, runner: Runner) -> None:
        """Log the sums of the whole run."""
        totals = self._update(runner)
        listed = ', '.join(f'{totals[name]} {name}' for name in EVENT_NAMES)
        runner.logger.info(f'training saw {listed} in {totals["clips"]} clips')

    @staticmethod
    def _count(samples: Sequence) -> torch.Tensor:
        """Return the counts of a batch of ``TrackDataSample``."""
        clips = [sample[0].metainfo.get('clip_events', {}) for sample in samples]
        counts = [len(clips), *(sum(clip.get(name, 0) for clip in clips) for name in EVENT_NAMES)]
        return torch.tensor(counts)

    def _update(self, runner: Runner) -> dict[str, int]:
        """Add the pending counts of all ranks to the run's sums and return the sums."""
        all_reduce(self.pending)
        hub = runner.message_hub
        totals = dict(hub.runtime_info.get('clip_events', {}))
        for name, count in zip(COUNTED, self.pending.tolist()):
            totals[name] = totals.get(name, 0) + count
        hub.update_info('clip_events', totals)
        self.pending.zero_()
        return totals


def trains_on_single_frames(model: nn.Module) -> bool:
    """Say whether a curriculum has the model take each frame as a clip of its own."""
    model = model.module if is_model_wrapper(model) else model
    stage = getattr(model, 'training_stage', None)
    return stage is not None and stage.single_frames

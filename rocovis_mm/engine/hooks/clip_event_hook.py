"""How many exits, entries and occlusions a training run has seen."""

from __future__ import annotations

from collections.abc import Sequence

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

    The sums over all ranks stand in the message hub as ``clip_events``, go into
    checkpoints and go on where a resumed run goes on. While a ``CurriculumHook`` lets
    the model train on single frames, nothing is counted: no frame follows another.

    Args:
        interval: with several ranks, iterations between two updates of the sums, for
            each of which the ranks must speak to each other; one rank updates them in every
            iteration. What came after the last update before a checkpoint is missing
            after a resume: let it divide the checkpoints' interval.
    """

    priority = 'NORMAL'

    def __init__(self, interval: int = 50) -> None:
        if interval < 1:
            raise ValueError(f'ClipEventHook: interval must be at least 1, not {interval}')
        self.interval = interval
        self.pending = torch.zeros(len(COUNTED), dtype=torch.int64)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
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
        """Log what the whole run has seen."""
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
        """Add what is pending on all ranks to the run's sums and return these."""
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

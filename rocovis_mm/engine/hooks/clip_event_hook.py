"""How many exits, entries and occlusions a training run has seen."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.datasets.clip_events import EVENT_NAMES
from rocovis_mm.registry import HOOKS

COUNTED = ('clips', *EVENT_NAMES)


@HOOKS.register_module()
class ClipEventHook(Hook):
    """Sum the ``clip_events`` of all clips of a run, and log the sums.

    The sums over all ranks stand in the message hub as ``clip_events``, go into
    checkpoints and go on where a resumed run goes on.

    Args:
        interval: iterations between two updates of the sums; a line is logged with
            the last one. What came after the last update before a checkpoint is
            missing after a resume: let it divide the checkpoints' interval.
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
        self.pending += self._count((data_batch or {}).get('data_samples') or [])
        if (runner.iter + 1) % self.interval == 0:
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

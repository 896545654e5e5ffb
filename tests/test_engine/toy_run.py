"""A run of MMEngine's runner that takes milliseconds: one weight, numbers as data, set figures."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner

import rocovis_mm.datasets
import rocovis_mm.engine  # noqa: F401


class Line(BaseModel):
    """Learns to give 0; `spoil` changes its loss in an iteration, by its number from 0."""

    def __init__(self, spoil=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.spoil = spoil or {}
        self.done = 0

    def forward(self, x, mode='tensor'):
        if mode != 'loss':
            return [torch.zeros(1)]
        loss = (self.weight * torch.stack(x)).square().mean()
        loss = self.spoil.get(self.done, lambda loss, weight: loss)(loss, self.weight)
        self.done += 1
        return dict(loss_line=loss)


class Figures(BaseMetric):
    """Gives the figures that it was told, one for each validation."""

    def __init__(self, figures):
        super().__init__()
        self.figures = list(figures)

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(AP=self.figures.pop(0), AP_pool=0.5)


def loader(infinite: bool) -> dict:
    sampler = dict(type='rocovis_mm.ClipSampler', infinite=infinite)
    data = [dict(x=torch.tensor([float(n)])) for n in range(4)]
    return dict(batch_size=1, num_workers=0, sampler=sampler, dataset=data)


def toy_runner(
    folder: Path,
    figures=(),
    *,
    iterations=8,
    by_epoch=False,
    spoil=None,
    lr=0.01,
    accumulate=1,
    log_interval=5,
    hooks=(),
    name='toy',
    **checkpoint,
) -> Runner:
    """Train so many iterations (epochs of 4), validating after each 4."""
    loop = (
        dict(type='rocovis_mm.EpochTrainLoop', max_epochs=iterations // 4)
        if by_epoch
        else dict(type='rocovis_mm.IterTrainLoop', max_iters=iterations, val_interval=4)
    )
    resume = checkpoint.pop('resume', False)
    checkpoint.setdefault('interval', 1 if by_epoch else 4)
    return Runner(
        model=Line(spoil),
        work_dir=str(folder),
        train_dataloader=loader(infinite=not by_epoch),
        train_cfg=loop,
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=lr, momentum=0.9),
            clip_grad=dict(max_norm=1.0),
            accumulative_counts=accumulate,
        ),
        param_scheduler=dict(type='MultiStepLR', milestones=[2], by_epoch=by_epoch),
        val_dataloader=loader(infinite=False) if figures else None,
        val_cfg={} if figures else None,
        val_evaluator=[Figures(figures)] if figures else None,
        default_hooks=dict(
            logger=dict(type='rocovis_mm.EarlyLoggerHook', interval=log_interval),
            checkpoint=dict(
                type='rocovis_mm.WholeCheckpointHook',
                by_epoch=by_epoch,
                **checkpoint,
            ),
            divergence=dict(type='rocovis_mm.DivergenceHook'),
        ),
        custom_hooks=list(hooks),
        log_processor=dict(by_epoch=by_epoch),
        default_scope='mmengine',
        resume=resume,
        randomness=dict(seed=0),
        experiment_name=f'{folder}-{name}-{resume}',
    )


def logged(folder: Path, name: str) -> list[tuple[int, float]]:
    """Return the steps and values of a figure in all logs of a work folder, in order."""
    lines = []
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        lines += map(json.loads, path.read_text().splitlines())
    return [(line['step'], line[name]) for line in lines if name in line]


def best(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob('best_*.pth'))

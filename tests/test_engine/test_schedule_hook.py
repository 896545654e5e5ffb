"""A run that is resumed with another length has the learning rates of a run of that length."""

from __future__ import annotations

import logging

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader, TensorDataset

EPOCH = 4  # iterations


class Line(BaseModel):
    def __init__(self):
        super().__init__()
        self.slope, self.offset = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1)

    def forward(self, inputs, mode='tensor'):
        return dict(loss=(self.slope(inputs) + self.offset(inputs)).square().mean())


class Watch(Hook):
    """Notes the learning rates that each iteration is made with."""

    def __init__(self):
        self.rates = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append([group['lr'] for group in runner.optim_wrapper.param_groups])


def cosine(length):
    warmup = max(length // 4, 1)
    return [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=warmup),
        dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=warmup, end=length),
    ]


def restarts(length):
    periods = [length * 3 // 4, length - length * 3 // 4]
    return [dict(type='CosineRestartLR', by_epoch=False, periods=periods, restart_weights=[1, 0.3],
                 eta_min=0.0, end=length)]  # fmt: skip


def steps(length):  # MMEngine adds the end
    return [dict(type='MultiStepLR', by_epoch=False, milestones=[length // 2, length * 3 // 4])]


def epochs(length):
    count = length // EPOCH
    return [
        dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=length // 3),
        dict(type='MultiStepLR', by_epoch=True, begin=0, end=count, milestones=[count // 2]),
    ]


def run(folder, length, schedule, resume=False, lr=1e-3, hook='rocovis_mm.ScheduleHook'):
    """Train for so many iterations; return the learning rates and the runner."""
    if schedule is epochs:
        loop, samples = dict(by_epoch=True, max_epochs=length // EPOCH), EPOCH
    else:  # MMEngine's loop sleeps for two seconds at the end of the data
        loop, samples = dict(by_epoch=False, max_iters=length), 10 * EPOCH
    watch = Watch()
    runner = Runner(
        Line(),
        str(folder),
        train_dataloader=DataLoader(TensorDataset(torch.ones(samples, 1))),
        train_cfg=loop,
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=lr),
            paramwise_cfg=dict(custom_keys=dict(slope=dict(lr_mult=0.1))),
        ),
        param_scheduler=schedule(length),
        default_hooks=dict(
            param_scheduler=dict(type=hook),
            checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=loop['by_epoch']),
        ),
        resume=resume,
        default_scope='mmengine',
        experiment_name=f'{folder.name}-{length}-{resume}',
    )
    runner.register_hook(watch)
    runner.train()
    return watch.rates, runner


@pytest.mark.parametrize('schedule', [cosine, restarts, steps, epochs])
@pytest.mark.parametrize('length', [24, 12])
def test_a_resumed_run_follows_the_schedule_of_its_length(schedule, length, tmp_path):
    whole, _ = run(tmp_path / 'whole', length, schedule)
    first, _ = run(tmp_path / 'parts', 8, schedule)
    second, runner = run(tmp_path / 'parts', length, schedule, resume=True)
    assert len(first) == 8 and len(second) == length - 8
    assert torch.allclose(torch.tensor(second), torch.tensor(whole[8:]), rtol=1e-9)
    saved = torch.load(tmp_path / 'parts' / (
        f'epoch_{length // EPOCH}.pth' if schedule is epochs else f'iter_{length}.pth'
    ), weights_only=False)  # fmt: skip
    ends = [state['end'] for state in saved['param_schedulers']]
    assert ends == [s.end for s in runner.param_schedulers]


def test_another_learning_rate_takes_effect_too(tmp_path):
    whole, _ = run(tmp_path / 'whole', 24, cosine, lr=5e-4)
    run(tmp_path / 'parts', 8, cosine)
    second, _ = run(tmp_path / 'parts', 24, cosine, resume=True, lr=5e-4)
    assert torch.allclose(torch.tensor(second), torch.tensor(whole[8:]), rtol=1e-9)


def test_a_run_that_was_cut_goes_on_exactly(tmp_path, caplog):
    whole, _ = run(tmp_path / 'whole', 12, cosine)
    run(tmp_path / 'parts', 12, cosine)
    (tmp_path / 'parts/last_checkpoint').write_text(str(tmp_path / 'parts/iter_5.pth'))
    with caplog.at_level(logging.INFO):
        second, _ = run(tmp_path / 'parts', 12, cosine, resume=True)
    assert second == whole[5:]
    assert "the schedule is not the checkpoint's" not in caplog.text


def test_mmengine_alone_keeps_the_old_schedule(tmp_path):
    """The reason for the hook; it may go when this fails."""
    whole, _ = run(tmp_path / 'whole', 24, cosine, hook='ParamSchedulerHook')
    run(tmp_path / 'parts', 8, cosine, hook='ParamSchedulerHook')
    second, _ = run(tmp_path / 'parts', 24, cosine, resume=True, hook='ParamSchedulerHook')
    assert not torch.allclose(torch.tensor(second), torch.tensor(whole[8:]), rtol=0.1)


def test_a_checkpoint_after_the_end_of_the_run_is_said(tmp_path):
    run(tmp_path, 8, cosine)
    rates, runner = run(tmp_path, 4, cosine, resume=True)
    log = next(tmp_path.glob(f'{runner.timestamp}/*.log')).read_text()
    assert rates == [] and 'after the end of this run at 4: nothing is trained' in log

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from torch import nn

from rocovis_mm.engine.hooks import NormEvalHook, norm_eval_hook


@pytest.fixture
def runner():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.Dropout(0.5)
    )
    for _ in range(3):
        model(torch.randn(2, 3, 5, 5) + 2)
    return SimpleNamespace(iter=0, model=model, logger=Mock())


def step(hook: NormEvalHook, runner, iteration: int) -> torch.Tensor:
    """Return what the batch norm makes of its input in a training iteration."""
    runner.model.train()  # as a loop does after a validation
    runner.iter = iteration
    hook.before_train_iter(runner, iteration)
    return runner.model[:2](torch.full((1, 3, 5, 5), 7.0))


def test_the_statistics_hold_from_an_iteration_on(runner):
    hook = NormEvalHook(begin=2)
    norm = runner.model[1]
    for iteration in (0, 1):
        before = norm.running_mean.clone()
        step(hook, runner, iteration)
        assert not torch.equal(norm.running_mean, before)
    before = {name: value.clone() for name, value in norm.named_buffers()}
    for iteration in (2, 3, 9):
        got = step(hook, runner, iteration)
        deviation = (before['running_var'] + norm.eps).sqrt()
        x = runner.model[0](torch.full((1, 3, 5, 5), 7.0))
        wanted = (x - before['running_mean'][:, None, None]) / deviation[:, None, None]
        torch.testing.assert_close(got, wanted)  # weight 1, bias 0
        assert all(torch.equal(value, before[name]) for name, value in norm.named_buffers())
        assert runner.model[3].training
    assert runner.logger.info.call_count == 1


def test_weights_of_fixed_norms_go_on_learning(runner):
    step(NormEvalHook(begin=0), runner, 0).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in runner.model[1].parameters())


def test_ranks_take_the_statistics_of_the_first(runner, monkeypatch):
    sent = []
    monkeypatch.setattr(norm_eval_hook, 'broadcast', sent.append)
    hook = NormEvalHook(begin=2)
    for iteration in range(5):
        step(hook, runner, iteration)
        assert len(sent) == (3 if iteration >= 2 else 0)
    assert [value.data_ptr() for value in sent] == [b.data_ptr() for b in runner.model[1].buffers()]

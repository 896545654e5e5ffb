"""A model that knows its whole gradient's norm is clipped by it, others as mmengine does."""

from __future__ import annotations

import pytest
import torch

from rocovis_mm.engine import ExperimentalShardedOptimWrapper


class Shard(torch.nn.Linear):
    """Stands for the shard of a model whose whole gradient is four times as long."""

    def clip_grad_norm_(self, max_norm: float) -> torch.Tensor:
        norm = 4 * self.weight.grad.norm()
        self.weight.grad *= max_norm / norm
        return norm


@pytest.mark.parametrize(
    ('model', 'clip', 'step'),
    [
        (Shard, dict(max_norm=2.0), 0.5),
        (torch.nn.Linear, dict(max_norm=2.0), 2.0),
        (Shard, dict(type='value', clip_value=0.1), 0.1),
    ],
)
def test_the_step_is_clipped(model, clip, step):
    module = model(1, 1, bias=False)
    before = module.weight.item()
    wrapper = ExperimentalShardedOptimWrapper(
        optimizer=torch.optim.SGD(module.parameters(), lr=1.0), clip_grad=clip
    )
    with wrapper.optim_context(module):
        loss = module(torch.tensor([[3.0]])).sum()  # its gradient is 3
    wrapper.update_params(loss)
    assert before - module.weight.item() == pytest.approx(step, abs=1e-5)

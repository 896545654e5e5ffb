"""Eq. 3 against multi-head attention written out by hand."""

from __future__ import annotations

import numpy as np
import plain_reference as plain
import pytest
import torch
from comparing import difference

from rocovis_mm.models.layers import PropagationAttention

CHANNELS, HEADS, SIZE = 8, 2, (2, 3)


def build(zero_init: bool = False) -> PropagationAttention:
    torch.manual_seed(1)
    attention = PropagationAttention(CHANNELS, HEADS, zero_init).double()
    if not zero_init:
        with torch.no_grad():
            for parameter in attention.parameters():
                parameter.copy_(torch.randn_like(parameter))
    return attention


def maps(number: int, batch: int = 2) -> list[torch.Tensor]:
    return [torch.randn(batch, CHANNELS, *SIZE, dtype=torch.float64) for _ in range(number)]


def by_hand(module, current, features, identities, position) -> np.ndarray:
    weights = {k: v.numpy() for k, v in module.attention.state_dict().items()}
    return np.stack(
        [
            plain.calibration(
                current[b].numpy(),
                [(f[b].numpy(), z[b].numpy()) for f, z in zip(features, identities)],
                position[0].numpy(),
                module.background.detach().numpy(),
                weights,
                HEADS,
            )
            for b in range(len(current))
        ]
    )


@pytest.mark.parametrize('remembered', [0, 1, 2, 4])
def test_equals_attention_by_hand_for_any_number_of_remembered_frames(remembered):
    module = build()
    current, position = maps(1)[0], maps(1, batch=1)[0]
    features, identities = maps(remembered), maps(remembered)
    result = module(current, features, identities, position)
    expected = by_hand(module, current, features, identities, position)
    assert not difference(result, expected, atol=1e-9, rtol=1e-7)


def test_frame_zero_attends_to_itself_with_the_background_everywhere():
    module = build()
    current, position = maps(1)[0], maps(1, batch=1)[0]
    everywhere = torch.zeros_like(current) + module.background[:, None, None]
    explicit = module(current, [current], [everywhere], position)
    assert not difference(module(current, [], [], position), explicit, atol=1e-7, rtol=1e-7)


def test_starts_at_zero_when_asked_and_stays_so_after_init_weights():
    module = build(zero_init=True)
    for _ in range(2):
        assert not module(maps(1)[0], maps(2), maps(2), maps(1, batch=1)[0]).any()
        module.init_weights()
    assert module.background.abs().min() > 0


def test_a_zero_start_still_learns():
    module = build(zero_init=True)
    module(maps(1)[0], maps(1), maps(1), maps(1, batch=1)[0]).sum().backward()
    assert module.attention.out_proj.weight.grad.abs().sum() > 0


def test_clips_of_a_batch_do_not_see_each_other():
    module = build()
    current, features, identities = maps(1)[0], maps(2), maps(2)
    position = maps(1, batch=1)[0]
    together = module(current, features, identities, position)
    alone = module(current[1:], [f[1:] for f in features], [z[1:] for z in identities], position)
    assert not difference(together[1:], alone, atol=1e-7, rtol=1e-7)

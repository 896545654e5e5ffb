"""Eq. 3 against multi-head attention written out by hand, in all its variants."""

from __future__ import annotations

import itertools

import numpy as np
import plain_reference as plain
import pytest
import torch
from comparing import difference

from rocovis_mm.models.layers import PropagationAttention, propagation_attention, window_attention
from rocovis_mm.models.layers.window_attention import TILE, WindowPlan

CHANNELS, HEADS, SIZE = 8, 2, (3, 5)
VARIANTS = [
    dict(prior=prior, window=window, ages=ages, start=start)
    for (prior, ages), window, start in zip(
        itertools.product([False, True], repeat=2), [None, 1, None, 2], ['full', 'gate'] * 2
    )
]
IDS = ['-'.join(f'{k}={v}' for k, v in variant.items()) for variant in VARIANTS]


def build(shaken: bool = True, **options) -> PropagationAttention:
    torch.manual_seed(1)
    attention = PropagationAttention(CHANNELS, HEADS, **{'memory_frames': 2, **options}).double()
    if shaken:
        with torch.no_grad():
            for parameter in attention.parameters():
                parameter.copy_(torch.randn_like(parameter))
    return attention


def maps(number: int, batch: int = 2, size: tuple[int, int] = SIZE) -> list[torch.Tensor]:
    return [torch.randn(batch, CHANNELS, *size, dtype=torch.float64) for _ in range(number)]


def calibrate(module, current, features, identities, position, visible=None) -> torch.Tensor:
    """Remember the frames and attend to them."""
    memory = [module.remember(f, z, position) for f, z in zip(features, identities)]
    keys, values = zip(*memory) if memory else ((), ())
    return module(current, keys, values, position, visible)


def by_hand(module, current, features, identities, position) -> np.ndarray:
    return np.stack(
        [
            plain.calibration(
                current[b].numpy(),
                [(f[b].numpy(), z[b].numpy()) for f, z in zip(features, identities)],
                position[0].numpy(),
                **plain.calibration_options(module),
            )
            for b in range(len(current))
        ]
    )


@torch.no_grad()
@pytest.mark.parametrize('options', VARIANTS, ids=IDS)
@pytest.mark.parametrize('remembered', [0, 1, 2, 4])
def test_equals_attention_by_hand_for_any_number_of_remembered_frames(remembered, options):
    module = build(**options)
    current, position = maps(1)[0], maps(1, batch=1)[0]
    features, identities = maps(remembered), maps(remembered)
    result = calibrate(module, current, features, identities, position)
    expected = by_hand(module, current, features, identities, position)
    assert not difference(result, expected, atol=1e-9, rtol=1e-7)


@torch.no_grad()
@pytest.mark.parametrize('size', [(1, 1), (3, 20), (TILE, TILE), (TILE + 1, 2 * TILE - 1), (17, 9)])
@pytest.mark.parametrize('window', [1, 3, 9])
@pytest.mark.parametrize(
    ('narrow', 'exporting'),
    [(0, False), (CHANNELS, False), (0, True)],
    ids=['tiles of 8', 'tiles of 4', 'for export'],
)
def test_tiles_give_what_attention_to_all_cells_gives_with_the_others_hidden(
    size, window, narrow, exporting, monkeypatch
):
    monkeypatch.setattr(propagation_attention, 'NARROW', narrow)
    monkeypatch.setattr(window_attention, 'COPIED_AT_ONCE', 5000)  # several parts of a kind
    module = build(window=window)
    module.exporting = exporting
    current, position = maps(1, size=size)[0], maps(1, 1, size)[0]
    features, identities = maps(3, size=size), maps(3, size=size)
    counted = torch.tensor([[True, True, True], [False, False, True]])
    every = calibrate(module, current, features, identities, position)
    for b, remembered in enumerate((3, 1)):
        alone = [[x[b : b + 1] for x in frames] for frames in (features, identities)]
        one = calibrate(module, current[b : b + 1], *alone, position, counted[b : b + 1])[0]
        expected = by_masks(module, current, features, identities, position, b, remembered)
        assert not difference(one, expected, atol=1e-9, rtol=1e-7)
        expected = by_masks(module, current, features, identities, position, b, 3)
        assert not difference(every[b], expected, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize('learning', [True, False])
@pytest.mark.parametrize('size', [(3, 20), (TILE, TILE), (TILE + 1, 2 * TILE - 1)])
def test_tiles_hide_other_frames_of_each_clip(size, learning):
    module = build(window=3)
    current, position = maps(1, size=size)[0], maps(1, 1, size)[0]
    features, identities = maps(3, size=size), maps(3, size=size)
    counted = torch.tensor([[True, True, True], [False, False, True]])
    with torch.set_grad_enabled(learning):
        result = calibrate(module, current, features, identities, position, counted).detach()
    for b, remembered in enumerate((3, 1)):
        expected = by_masks(module, current, features, identities, position, b, remembered)
        assert not difference(result[b], expected.detach(), atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize('learned', [True, False], ids=['learned widths', 'fixed widths'])
def test_gradients_are_those_of_attention_to_all_cells_with_the_others_hidden(learned):
    """In windows of several tiles; the prior of place is channels where its widths are learned."""
    module = build(window=2)
    module.log_width.requires_grad_(learned)
    size, position = (9, 13), maps(1, 1, (9, 13))[0]
    inputs = [x.requires_grad_() for x in (*maps(1, size=size), *maps(4, size=size))]
    current, features, identities = inputs[0], inputs[1:3], inputs[3:]
    wanted = [*inputs, *(x for name, x in module.named_parameters() if name != 'background')]
    wanted = [x for x in wanted if x.requires_grad]
    weight = maps(1, size=size)[0]
    found = calibrate(module, current, features, identities, position)
    expected = torch.stack(
        [by_masks(module, current, features, identities, position, b, 2) for b in range(2)]
    )
    found, expected = (torch.autograd.grad((x * weight).sum(), wanted) for x in (found, expected))
    for ours, plainly in zip(found, expected):
        assert plainly.any()
        assert not difference(ours, plainly, atol=1e-9, rtol=1e-7)


def by_masks(module, current, features, identities, position, b: int, remembered: int):
    """Attention of clip b to its last frames by one product of all cells with all cells."""
    height, width = current.shape[-2:]
    y, x = (i.flatten() for i in torch.meshgrid(*map(torch.arange, (height, width)), indexing='ij'))
    squares = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    far = torch.maximum((y[:, None] - y).abs(), (x[:, None] - x).abs()) > module.window
    bias = -squares / (2 * module.log_width.exp()[:, None, None] ** 2)
    bias = bias.masked_fill(far, -torch.inf).repeat(1, 1, remembered)
    query = module.project(0, current[b : b + 1] + position)[0]
    keys, values = [], []
    for age, (f, z) in enumerate(zip(features[::-1][:remembered], identities[::-1])):
        key, value = module.remember(f[b : b + 1], z[b : b + 1], position)
        keys.append(key[0] + module.age[min(age, len(module.age) - 1)])
        values.append(value[0])
    q, k, v = (
        x.unflatten(-1, (HEADS, -1)).transpose(0, 1)
        for x in (query, torch.cat(keys), torch.cat(values))
    )
    weights = (q @ k.transpose(1, 2) * (CHANNELS // HEADS) ** -0.5 + bias).softmax(-1)
    out = module.attention.out_proj((weights @ v).transpose(0, 1).flatten(1)) * module.gate
    return out.T.view(CHANNELS, height, width)


def test_every_cell_is_in_one_tile_and_sees_its_window():
    plan = WindowPlan.make((10, 13), 2, torch.device('cpu'))
    assert sorted(plan.order.tolist()) == sorted(set(plan.order.tolist()))
    assert plan.cells.flatten()[plan.order].tolist() == list(range(130))


@pytest.mark.parametrize('options', VARIANTS, ids=IDS)
def test_every_parameter_receives_a_gradient(options):
    module = build(**options)
    calibrate(module, *maps(1), maps(2), maps(2), maps(1, batch=1)[0]).square().sum().backward()
    for name, parameter in module.named_parameters():
        if name != 'background':  # it enters by the identities of Eq. 2
            assert parameter.grad is not None and parameter.grad.any(), name


@torch.no_grad()
def test_frame_zero_attends_to_itself_with_the_background_everywhere():
    module = build()
    current, position = maps(1)[0], maps(1, batch=1)[0]
    everywhere = torch.zeros_like(current) + module.background[:, None, None]
    explicit = calibrate(module, current, [current], [everywhere], position)
    assert not difference(module(current, [], [], position), explicit, atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize('start', ['gate', 'zero'])
def test_starts_at_zero_when_asked_and_stays_so_after_init_weights(start):
    module = build(shaken=False, start=start)
    for _ in range(2):
        assert not calibrate(module, *maps(1), maps(2), maps(2), maps(1, batch=1)[0]).any()
        module.init_weights()
    assert module.background.abs().min() > 0
    assert calibrate(
        build(shaken=False, start='full'), *maps(1), maps(2), maps(2), maps(1, 1)[0]
    ).any()


@pytest.mark.parametrize(
    ('start', 'learning'), [('gate', 'gate'), ('zero', 'attention.out_proj.weight')]
)
def test_a_zero_start_still_learns(start, learning):
    module = build(shaken=False, start=start)
    calibrate(module, *maps(1), maps(1), maps(1), maps(1, batch=1)[0]).sum().backward()
    assert dict(module.named_parameters())[learning].grad.abs().sum() > 0


@torch.no_grad()
@pytest.mark.parametrize('window', [None, 1])
def test_clips_of_a_batch_do_not_see_each_other(window):
    module = build(window=window)
    current, features, identities = maps(1)[0], maps(2), maps(2)
    position = maps(1, batch=1)[0]
    together = calibrate(module, current, features, identities, position)
    alone = calibrate(
        module, current[1:], [f[1:] for f in features], [z[1:] for z in identities], position
    )
    assert not difference(together[1:], alone, atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize('options', [dict(start='none'), dict(window=0)])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match='propagation'):
        build(**options)


@torch.no_grad()
def test_keys_of_hidden_frames_do_not_take_the_weight_of_others():
    """Hidden keys whose products are far above all others would leave nothing but rounding."""
    module = build(window=1)
    module.exporting = True
    current, position = maps(1)[0], maps(1, batch=1)[0]
    keys, values = zip(*(module.remember(f, f, position) for f in maps(2)))
    visible = torch.tensor([[False, True]])
    expected = module(current, keys[1:], values[1:], position)
    result = module(current, (keys[0] * 1e6, keys[1]), values, position, visible)
    assert not difference(result, expected, atol=1e-9, rtol=1e-7)

"""The sum of table rows against mmcv's sampling by grid_sample."""

from __future__ import annotations

import pytest
import torch
from mmcv.ops import MultiScaleDeformableAttention
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch
from tiny_model import images, tiny_model

from rocovis_mm.models.layers import deformable_attention
from rocovis_mm.models.layers.deformable_attention import (
    DeformableAttention,
    SamplingPlan,
    sample,
    sample_by_bags,
    sample_by_grid,
)
from rocovis_mm.structures import StreamState

SIZES = ((2, 3), (4, 6), (7, 5))
TOKENS = sum(h * w for h, w in SIZES)
HEADS, POINTS, CHANNELS = 2, 4, 8
REACHES = [
    pytest.param(0.3, id='near'),
    pytest.param(4.0, id='leaving the levels'),
    pytest.param(1e3, id='far outside'),
]


def places(seed: int = 0) -> torch.Tensor:
    """Return (S, L, 2) places, some of them on the very edges."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(TOKENS, len(SIZES), 2, generator=generator)
    places[0], places[1], places[2] = 0.0, 1.0, 0.5
    return places


def draw(batch: int, reach: float, dtype: torch.dtype = torch.float64):
    """Return values, offsets in pixels and attention weights."""
    torch.manual_seed(1)
    value = torch.randn(batch, TOKENS, CHANNELS, dtype=dtype)
    offsets = torch.randn(batch, TOKENS, HEADS, len(SIZES), POINTS, 2, dtype=dtype) * reach
    offsets[:, ::3] = offsets[:, ::3].round()  # right between pixels, or on one
    weights = torch.randn(batch, TOKENS, HEADS, len(SIZES) * POINTS, dtype=dtype).softmax(-1)
    return value, offsets, weights


def by_mmcv(value, offsets, weights, references):
    sizes = torch.tensor(SIZES)
    locations = references[None, :, None, :, None] + offsets / sizes.flip(-1)[:, None]
    return multi_scale_deformable_attn_pytorch(
        value.unflatten(-1, (HEADS, -1)),
        sizes,
        locations,
        weights.unflatten(-1, (len(SIZES), POINTS)),
    )


@pytest.mark.parametrize('sampling', [sample, sample_by_grid, sample_by_bags])
@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('reach', REACHES)
def test_samples_are_those_of_mmcv(batch, reach, sampling):
    value, offsets, weights = draw(batch, reach)
    references = places().double()
    plan = SamplingPlan.make(SIZES, references, HEADS, POINTS)
    x, y = offsets.flatten(2, 4).unbind(-1)
    expected = by_mmcv(value, offsets, weights, references)
    torch.testing.assert_close(sampling(value, x, y, weights, plan), expected, atol=1e-9, rtol=1e-9)
    assert reach == 1e3 or expected.abs().mean() > 0.05


def test_bags_are_taken_where_every_level_has_two_rows_and_columns():
    _, ours = attention()
    ours.exporting = ours.bags = True
    plan = SamplingPlan.make(SIZES, places(), HEADS, POINTS)
    assert ours.sampling(plan) is sample_by_bags
    flat = SamplingPlan.make(((1, TOKENS), *SIZES[1:]), places(), HEADS, POINTS)
    assert ours.sampling(flat) is sample_by_grid
    ours.bags = False
    assert ours.sampling(plan) is sample_by_grid


@pytest.mark.parametrize('wrong', [float('nan'), float('inf'), -float('inf'), 1e30])
def test_no_offset_reads_outside_the_values(wrong):
    value, offsets, weights = draw(2, 1.0)
    references = places().double()
    plan = SamplingPlan.make(SIZES, references, HEADS, POINTS)
    clean = sample(value, *offsets.flatten(2, 4).unbind(-1), weights, plan)
    offsets[0, 5, 0, 1, 2] = wrong
    result = sample(value, *offsets.flatten(2, 4).unbind(-1), weights, plan)
    others = torch.ones_like(result, dtype=torch.bool)
    others[0, 5, : CHANNELS // HEADS] = False
    assert torch.equal(result[others], clean[others])


def attention() -> tuple[MultiScaleDeformableAttention, DeformableAttention]:
    """Return mmcv's module and ours of the same random parameters."""
    pair = []
    for _ in range(2):
        torch.manual_seed(2)
        module = MultiScaleDeformableAttention(CHANNELS, HEADS, len(SIZES), POINTS, dropout=0.0)
        module.batch_first = True
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        pair.append(module)
    return pair[0], DeformableAttention.take_over(pair[1])


def test_module_equals_mmcvs_with_and_without_a_gradient():
    theirs, ours = attention()
    sizes = torch.tensor(SIZES)
    arguments = dict(
        query=torch.randn(2, TOKENS, CHANNELS),
        query_pos=torch.randn(1, TOKENS, CHANNELS),
        reference_points=places()[None].expand(2, -1, -1, -1),
        spatial_shapes=sizes,
        level_start_index=sizes.prod(1).cumsum(0) - sizes.prod(1),
    )
    plan = SamplingPlan.make(SIZES, places(), HEADS, POINTS)
    expected = theirs(**arguments)
    assert torch.equal(ours(**arguments, plan=plan), expected)
    with torch.inference_mode():
        result = ours(**arguments, plan=plan)
    assert not torch.equal(result, expected)  # another way, the same result
    torch.testing.assert_close(result, expected.detach(), atol=1e-5, rtol=1e-5)
    expected.sum().backward()
    ours(**arguments, plan=plan).sum().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters()):
        assert torch.equal(mine.grad, other.grad)


def test_a_module_that_is_taken_over_keeps_names_and_parameters():
    theirs, ours = attention()
    assert list(theirs.state_dict()) == list(ours.state_dict())
    assert isinstance(ours, MultiScaleDeformableAttention)


def test_the_pixel_decoder_hands_its_plan_down(monkeypatch):
    """Without a gradient every layer of the encoder samples by the table."""
    model, calls = tiny_model(), []

    def counted(*arguments):
        calls.append(arguments)
        return sample(*arguments)

    monkeypatch.setattr(deformable_attention, 'sample', counted)
    with torch.no_grad():
        model.step(images(1), StreamState())
    assert len(calls) == len(model.track_head.pixel_decoder.encoder.layers)
    model.track_head.detect(model.extract_features(images(1)))
    assert len(calls) == len(model.track_head.pixel_decoder.encoder.layers)

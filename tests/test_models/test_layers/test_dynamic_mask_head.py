"""Dynamic masks: an instance's convolutions, cell by cell."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from rocovis_mm.models.layers.dynamic_mask_head import (
    Controller,
    DynamicMaskHead,
    MaskFeatureFusion,
    check_strides,
)


def test_the_convolutions_of_each_instance_cell_by_cell():
    torch.manual_seed(0)
    head = DynamicMaskHead(3, upsampling=1)
    assert head.num_params == (3 + 2) * 8 + 64 + 8 + 17
    features, params = torch.randn(2, 3, 4, 5), torch.randn(2, 6, head.num_params)
    points = torch.rand(2, 6, 2) * 40
    logits = head(features, params, points)
    for b, n, i, j in ((0, 0, 0, 0), (1, 5, 3, 4), (0, 3, 1, 2)):
        p = params[b, n]
        first, second, third = p[:40].view(8, 5), p[40:104].view(8, 8), p[104:112].view(1, 8)
        x, y = points[b, n]
        cell = torch.cat([torch.stack([x - (8 * j + 4), y - (8 * i + 4)]), features[b, :, i, j]])
        cell = (first @ cell + p[112:120]).relu()
        cell = (second @ cell + p[120:128]).relu()
        expected = third @ cell + p[128:]
        torch.testing.assert_close(logits[b, n, i, j], expected[0], rtol=1e-4, atol=1e-3)


def test_logits_are_upsampled_with_the_corners_of_cells_aligned():
    """The value of a cell of stride 8 is that of the pixel of stride 4 at its centre."""
    torch.manual_seed(1)
    coarse = DynamicMaskHead(2, upsampling=1)
    fine = DynamicMaskHead(2)
    inputs = torch.randn(1, 2, 3, 4), torch.randn(1, 2, coarse.num_params), torch.rand(1, 2, 2)
    low, high = coarse(*inputs), fine(*inputs)
    assert high.shape == (1, 2, 6, 8)
    torch.testing.assert_close(high[..., 1::2, 1::2], low)
    between = (low[..., :, :-1] + low[..., :, 1:]) / 2
    torch.testing.assert_close(high[..., 1::2, 2::2], between)


def test_no_instances_have_no_masks():
    head = DynamicMaskHead(2)
    nothing = head(
        torch.randn(1, 2, 3, 4), torch.zeros(1, 0, head.num_params), torch.zeros(1, 0, 2)
    )
    assert nothing.shape == (1, 0, 6, 8)


def test_maps_are_joined_from_low_to_high_resolution():
    torch.manual_seed(2)
    fusion = MaskFeatureFusion(64)
    maps = [torch.randn(1, 64, h, w) for h, w in ((6, 10), (3, 5), (2, 3))]
    x = F.conv2d(maps[2], fusion.low.weight, fusion.low.bias, padding=1).relu()
    x = maps[1] + x[..., [0, 0, 1], :][..., [0, 0, 1, 1, 2]]  # nearest
    x = F.conv2d(x, fusion.middle.weight, fusion.middle.bias, padding=1).relu()
    x = maps[0] + x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    x = F.conv2d(x, fusion.high.weight, fusion.high.bias, padding=1).relu()
    x = F.conv2d(x, fusion.reduce.weight, fusion.reduce.bias, padding=1).relu()
    x = F.conv2d(x, fusion.project.weight, fusion.project.bias, padding=1).relu()
    torch.testing.assert_close(fusion(maps), x)
    assert x.shape == (1, 2, 6, 10)


@pytest.mark.parametrize(
    ('strides', 'levels'),
    [((16, 32), 4), ((4, 8, 16), 4), ((8, 32), 4), ((8, 16), 2), ((8,), 2), ((8, 16, 64), 3)],
)
def test_levels_of_other_strides_are_refused(strides, levels):
    message = rf'track_head\.strides.*track_head\.encoder\.num_levels={levels} must be at least 3'
    with pytest.raises(ValueError, match=message):
        check_strides(strides, levels)


@pytest.mark.parametrize(
    ('strides', 'levels'), [((8, 16, 32), 3), ((8, 16, 32, 64), 4), ((8, 16), 3), ((8,), 4)]
)
def test_levels_that_masks_are_made_of(strides, levels):
    """A level without a map is made of the one before by a convolution of stride 2."""
    check_strides(strides, levels)


def test_parameters_are_not_in_half_precision():
    torch.manual_seed(0)
    controller, queries = Controller(8, 5), torch.randn(3, 8).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        found = controller(queries)
    assert torch.equal(found, controller(queries.float()))

"""The pyramid on a plain ViT's map: sizes, places, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from comparing import difference
from tiny_model import shake

from rocovis_mm.models import SimpleFeaturePyramid


@pytest.fixture
def pyramid():
    torch.manual_seed(0)
    neck = SimpleFeaturePyramid(8, out_channels=12)
    shake(neck)
    return neck


def test_four_maps_of_one(pyramid):
    x = torch.randn(2, 8, 4, 6)
    maps = pyramid(x)
    assert [tuple(y.shape) for y in maps] == [
        (2, 12, 16, 24), (2, 12, 8, 12), (2, 12, 4, 6), (2, 12, 2, 3),
    ]  # fmt: skip
    for single, listed in zip(maps, pyramid([torch.zeros(2, 5, 9, 9), x])):
        assert torch.equal(single, listed)  # of several maps the last one counts


def test_every_parameter_gets_a_gradient(pyramid):
    x = torch.randn(2, 8, 4, 6, requires_grad=True)
    sum((y * torch.randn_like(y)).sum() for y in pyramid(x)).backward()
    assert x.grad.abs().sum() > 0
    for name, parameter in pyramid.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_images_of_a_batch_do_not_meet(pyramid):
    x = torch.randn(3, 8, 4, 6)
    for i, together in enumerate(zip(*pyramid(x))):
        alone = [y[0] for y in pyramid(x[i : i + 1])]
        assert not difference(alone, together, atol=1e-5, rtol=1e-5)


def test_places_are_kept(pyramid):
    """What changes in one corner of the image changes only near the same corner of each map."""
    x = torch.randn(1, 8, 8, 8)
    other = x.clone()
    other[..., 0, 7] += 1
    for stride, a, b in zip((4, 8, 16, 32), pyramid(x), pyramid(other)):
        changed = (a != b).any(1)[0].nonzero()
        reach = max(16 // stride, 1)  # its own pixels, and one more by the 3x3 convolution
        assert changed[:, 0].max() <= reach
        assert changed[:, 1].min() >= a.shape[-1] - 1 - reach


@pytest.mark.parametrize('patch', [8, 12, 14, 15])
def test_other_patches_come_to_stride_16_in_their_own_places(patch):
    neck = SimpleFeaturePyramid(4, patch_size=patch)
    for height, width in ((32, 64), (224, 256), (384, 736)):
        rows, columns = (math.ceil(side / patch) for side in (height, width))
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing='ij')
        centres = (torch.stack([y, x])[None] + 0.5) * patch  # of each patch, in pixels
        scaled = neck.resample(centres)
        assert scaled.shape[-2:] == (height // 16, width // 16)
        first, last = patch / 2, ((rows - 0.5) * patch, (columns - 0.5) * patch)
        for axis, number in enumerate(scaled.shape[-2:]):
            places = (torch.arange(number) + 0.5) * 16
            expected = places.clamp(first, last[axis])  # nothing is extrapolated
            found = scaled[0, axis, :, 0] if axis == 0 else scaled[0, axis, 0]
            torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize('channels', [6, [16, 6]])
def test_channels_that_cannot_be_quartered(channels):
    with pytest.raises(ValueError, match='in_channels=6.*multiple of 4'):
        SimpleFeaturePyramid(channels)


@pytest.mark.parametrize('patch', [0, 32])
def test_a_patch_of_no_use(patch):
    with pytest.raises(ValueError, match=f'patch_size={patch}, not from 1 to 16'):
        SimpleFeaturePyramid(8, patch_size=patch)

"""Eq. 2 against plain loops: overlaps add, uncovered pixels get B, nothing else does."""

from __future__ import annotations

import plain_reference as plain
import pytest
import torch
from comparing import difference

from rocovis_mm.models.layers import mask_probabilities, spatial_identity


def double(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize('soft', [False, True])
@pytest.mark.parametrize('seed', range(3))
def test_equals_the_loops_of_eq_2(seed, soft):
    queries, background = double(2, 4, 5, seed=seed), double(5, seed=seed + 10)
    probabilities = double(2, 4, 3, 6, seed=seed + 20).sigmoid()
    expected = plain.spatial_identity(
        queries.numpy(), probabilities.numpy(), background.numpy(), soft
    )
    result = spatial_identity(queries, probabilities, background, soft)
    assert not difference(result, expected, atol=1e-9)


def test_overlapping_masks_add_up_and_uncovered_pixels_are_the_background():
    queries = torch.tensor([[[1.0, 2.0], [10.0, 20.0]]])
    background = torch.tensor([-7.0, -8.0])
    #                         first alone, both, second alone, none
    masks = torch.tensor([[[[0.9, 0.8, 0.1, 0.3]], [[0.2, 0.7, 0.6, 0.4]]]])
    z = spatial_identity(queries, masks, background)
    assert z[0, :, 0].T.tolist() == [[1, 2], [11, 22], [10, 20], [-7, -8]]


def test_a_covered_pixel_whose_identity_sums_to_zero_gets_no_background():
    queries = torch.tensor([[[3.0, -3.0], [-3.0, 3.0]]])
    background = torch.tensor([5.0, 6.0])
    one = spatial_identity(queries, torch.tensor([[[[0.9]], [[0.1]]]]), background)
    assert one.flatten().tolist() == [3, -3]
    both = spatial_identity(queries, torch.tensor([[[[0.9]], [[0.9]]]]), background)
    assert both.flatten().tolist() == [0, 0]


@pytest.mark.parametrize('soft', [False, True])
def test_empty_masks_and_no_queries_leave_the_background_everywhere(soft):
    background = double(4)
    everywhere = background[:, None, None].expand(2, 4, 3, 3)
    result = spatial_identity(double(2, 3, 4), double(2, 3, 3, 3) * 0, background, soft)
    assert not difference(result, everywhere, atol=1e-9)


def test_gradient_reaches_queries_and_background_but_never_the_threshold():
    queries, background = double(1, 2, 3).requires_grad_(), double(3).requires_grad_()
    masks = torch.tensor([[[[0.9, 0.1]], [[0.8, 0.2]]]], dtype=torch.float64, requires_grad=True)
    spatial_identity(queries, masks, background).sum().backward()
    assert queries.grad.tolist() == [[[1.0] * 3] * 2]  # one pixel each
    assert background.grad.tolist() == [1.0] * 3  # one uncovered pixel
    assert masks.grad is None


def test_soft_masks_pass_the_gradient_on_to_the_masks():
    masks = torch.tensor([[[[0.9, 0.1]]]], dtype=torch.float64, requires_grad=True)
    z = spatial_identity(double(1, 1, 3), masks, double(3, seed=1), soft_masks=True)
    z.square().sum().backward()
    assert (masks.grad != 0).all()


@pytest.mark.parametrize('pooling', ['max', 'bilinear'])
@pytest.mark.parametrize('size', [(4, 6), (8, 12), (2, 3), (3, 5), (1, 1)])
def test_mask_probabilities_are_scaled_and_resized(size, pooling):
    logits, keep = double(2, 3, 8, 12) * 3, double(2, 3, seed=4).sigmoid()
    expected = plain.propagated_masks(logits.numpy(), keep.numpy(), size, pooling)
    assert not difference(mask_probabilities(logits, keep, size, pooling), expected, atol=1e-9)


def test_the_smallest_mask_keeps_its_cell_by_max_pooling_alone():
    logits = torch.full((1, 1, 8, 8), -9.0)
    logits[..., 5, 2] = 9.0
    cells = mask_probabilities(logits, torch.ones(1, 1), (1, 1)) > 0.5
    assert (
        cells.all()
        and not (mask_probabilities(logits, torch.ones(1, 1), (1, 1), 'bilinear') > 0.5).any()
    )


def test_a_query_that_is_not_kept_never_covers_a_pixel():
    sure = torch.full((1, 2, 4, 4), 30.0)
    probabilities = mask_probabilities(sure, torch.tensor([[1.0, 0.0]]), (2, 2))
    assert probabilities[0, 0].min() > 0.99
    assert probabilities[0, 1].max() == 0


def test_the_foreground_probability_decides_whether_a_sure_mask_is_propagated():
    sure = torch.full((1, 2, 4, 4), 30.0)
    queries = torch.tensor([[[1.0], [2.0]]])
    z = spatial_identity(
        queries,
        mask_probabilities(sure, torch.tensor([[0.49, 0.51]]), (2, 2)),
        torch.tensor([9.0]),
    )
    assert z.unique().tolist() == [2]


def test_bilinear_probabilities_are_averaged_before_the_threshold_not_after():
    # two pixels become one: 0.95 and 0.2 average to 0.575, although only half is covered
    logits = torch.tensor([0.95, 0.2]).logit().view(1, 1, 1, 2)
    probability = mask_probabilities(logits, torch.ones(1, 1), (1, 1), 'bilinear')
    assert probability.item() == pytest.approx(0.575, abs=1e-6)

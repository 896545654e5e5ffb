"""The assignment by tensor operations against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from rocovis_mm.models.task_modules.linear_assignment import linear_assignment


def by_scipy(cost: torch.Tensor) -> list[int]:
    return linear_sum_assignment(cost.numpy())[1].tolist()


@pytest.mark.parametrize('size', [1, 2, 3, 5, 8, 13, 40])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_random_costs_have_the_assignment_of_scipy(size, dtype):
    generator = torch.Generator().manual_seed(size)
    for scale in (1, 1e-6, 1e6):
        cost = torch.randn(size, size, generator=generator, dtype=dtype) * scale
        assert linear_assignment(cost).tolist() == by_scipy(cost)


@pytest.mark.parametrize('seed', range(5))
def test_rows_that_compete_for_columns_have_the_assignment_of_scipy(seed):
    """Costs of rank one plus noise: the cheapest columns are the same ones for all rows."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.rand(2, 20, generator=generator)
    cost = rows[:, None] * columns + 1e-3 * torch.rand(20, 20, generator=generator)
    assert linear_assignment(cost).tolist() == by_scipy(cost)


@pytest.mark.parametrize('seed', range(5))
def test_ties_give_a_permutation_of_the_same_cost(seed):
    cost = torch.randint(0, 4, (9, 9), generator=torch.Generator().manual_seed(seed)).float()
    found = linear_assignment(cost).tolist()
    assert sorted(found) == list(range(9))
    assert cost[range(9), found].sum() == cost[range(9), by_scipy(cost)].sum()


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_costs_that_are_not_finite_count_as_zero(value):
    cost = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    broken, replaced = cost.clone(), cost.clone()
    broken[1, 2:4], replaced[1, 2:4] = value, 0
    assert linear_assignment(broken).tolist() == by_scipy(replaced)
    assert sorted(linear_assignment(torch.full((6, 6), value)).tolist()) == list(range(6))

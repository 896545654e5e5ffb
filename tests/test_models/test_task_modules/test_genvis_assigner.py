"""GenVIS' assignment against the published procedure, written anew with full cost matrices."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from test_uvla import targets_of

from rocovis_mm.models import GenVISAssigner, UVLAAssigner

LAYERS, CLASSES, BLOCKED = 3, 4, 1e6


def assigner_with_costs(costs: np.ndarray, **options) -> GenVISAssigner:
    """Return an assigner whose cost of frame t is `costs[t]` (D, N, G)."""

    class Known(GenVISAssigner):
        def cost(self, class_logits, mask_logits, targets, frame):
            return torch.from_numpy(costs[frame])

    return Known([], num_points=1, **options)


def run_clip(assigner, presence: np.ndarray, queries: int) -> list[np.ndarray]:
    """Return the slots (D, G) after every frame."""
    targets = targets_of(presence)
    slots = torch.full((LAYERS, len(presence)), -1)
    logits = torch.zeros(LAYERS, queries, CLASSES + 1), torch.zeros(LAYERS, queries, 2, 2)
    history = []
    for t in range(presence.shape[1]):
        slots = assigner.assign(*logits, targets, t, slots)
        history.append(slots.numpy().copy())
    return history


def best_matching(cost: np.ndarray) -> list[int]:
    """Return the query of each instance, by trying every matching of a (N, G) matrix."""
    number, instances = cost.shape
    orders = itertools.permutations(range(number), instances)
    return list(min(orders, key=lambda order: sum(cost[n, g] for g, n in enumerate(order))))


def published(presence: np.ndarray, costs: np.ndarray, queries: int) -> list[np.ndarray]:
    """Return the published slots: all instances are matched each frame, the new ones count.

    Instances that are not new, and the queries of old instances that are visible,
    cost too much; a new instance may so get the query of one that is away.
    """
    instances = len(presence)
    slots = np.full((LAYERS, instances), -1)
    before = np.zeros(instances, bool)
    history = []
    for t in range(presence.shape[1]):
        visible = presence[:, t].astype(bool)
        new = visible & ~before
        for layer in range(LAYERS):
            cost = costs[t, layer].copy()
            cost[:, ~new] = BLOCKED
            cost[slots[layer, visible & before], :] = BLOCKED
            found = best_matching(cost)
            for g in np.flatnonzero(new):
                slots[layer, g] = found[g]
        before |= visible
        history.append(slots.copy())
    return history


def random_clip(seed: int):
    rng = np.random.default_rng(seed)
    instances, frames = int(rng.integers(1, 4)), int(rng.integers(1, 6))
    queries = instances + int(rng.integers(0, 3))
    presence = rng.random((instances, frames)) < rng.choice([0.3, 0.6])
    return presence, rng.normal(size=(frames, LAYERS, queries, instances)), queries


@pytest.mark.parametrize('seed', range(60))
def test_equals_the_published_procedure(seed):
    presence, costs, queries = random_clip(seed)
    ours = run_clip(assigner_with_costs(costs), presence, queries)
    for slots, expected in zip(ours, published(presence, costs, queries)):
        assert np.array_equal(slots, expected)


def test_a_newcomer_may_take_the_query_of_one_that_is_away():
    presence = np.array([[1, 0, 1], [0, 1, 1]])
    costs = np.zeros((3, LAYERS, 2, 2))
    costs[:, :, 1] = 1.0  # query 0 is best for everyone
    shared = run_clip(assigner_with_costs(costs), presence, 2)[-1]
    assert (shared == 0).all()
    kept = run_clip(assigner_with_costs(costs, reuse_disappeared=False), presence, 2)[-1]
    assert (kept == [0, 1]).all()


@pytest.mark.parametrize('seed', range(20))
def test_without_reuse_it_is_uvla(seed):
    presence, costs, queries = random_clip(seed)
    slots = run_clip(assigner_with_costs(costs, reuse_disappeared=False), presence, queries)[-1]

    class Known(UVLAAssigner):
        def cost(self, class_logits, mask_logits, targets, frame):
            return torch.from_numpy(costs[frame])

    targets, owners = targets_of(presence), torch.full((LAYERS, queries), -1)
    logits = torch.zeros(LAYERS, queries, CLASSES + 1), torch.zeros(LAYERS, queries, 2, 2)
    for t in range(presence.shape[1]):
        owners = Known([], num_points=1, shared_owners=False).assign(*logits, targets, t, owners)
    for layer, g in itertools.product(range(LAYERS), range(len(presence))):
        found = (owners[layer] == g).nonzero().flatten().tolist()
        assert found == ([] if slots[layer, g] < 0 else [slots[layer, g]])


def test_too_few_queries_warn():
    presence = np.ones((3, 1))
    with pytest.warns(UserWarning, match='more new instances .* free ones among the 2 queries'):
        slots = run_clip(assigner_with_costs(np.zeros((1, LAYERS, 2, 3))), presence, 2)[-1]
    assert ((slots >= 0).sum(1) == 2).all()

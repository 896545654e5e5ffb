"""UVLA and UVLA++ against bookkeeping of our own and brute force over all matchings."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import plain_reference as plain
import pytest
import torch
from tiny_model import tiny_config

from rocovis_mm.models import UVLAAssigner, UVLAPlusPlusAssigner
from rocovis_mm.structures import ClipTargets

LAYERS, CLASSES = 3, 4
RULES = [
    dict(),
    dict(births='last_layer'),
    dict(shared_owners=False),  # the ablation: each layer by itself for the whole clip
]
BOTH = pytest.mark.parametrize('kind', [UVLAAssigner, UVLAPlusPlusAssigner])


def assigner_with_costs(kind, costs: np.ndarray, **rule):
    """Return an assigner whose cost of frame t is `costs[t]` (L, N, G)."""

    class Known(kind):
        def cost(self, class_logits, mask_logits, targets, frame):
            return torch.from_numpy(costs[frame])

    return Known([], num_points=1, **rule)


def targets_of(presence: np.ndarray, seed: int = 0) -> ClipTargets:
    """Return targets with one pixel where `presence` (G, T) says so."""
    instances, frames = presence.shape
    masks = torch.zeros(instances, frames, 2, 2, dtype=torch.bool)
    masks[..., 1, 0] = torch.from_numpy(presence.astype(bool))
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, CLASSES, instances))
    return ClipTargets(labels.long(), masks, torch.arange(instances) + 7)


def run_clip(assigner, targets: ClipTargets, queries: int, first: int = 0):
    """Return, frame by frame, the owners (L, N) and the supervision."""
    owners = torch.full((LAYERS, queries), -1)
    logits = torch.zeros(LAYERS, queries, CLASSES + 1), torch.zeros(LAYERS, queries, 2, 2)
    for t in range(targets.masks.shape[1]):
        owners = assigner.assign(*logits, targets, t, owners, first)
        yield owners, assigner.supervise(owners, targets, t, CLASSES)


def cheapest_matching(cost: np.ndarray, rows: list[int], columns: list[int]) -> dict[int, int]:
    """Return instance -> query of least total cost, by trying every matching."""
    number = min(len(rows), len(columns))
    best, found = np.inf, {}
    for chosen in itertools.combinations(columns, number):
        for order in itertools.permutations(rows, number):
            total = sum(cost[n, g] for n, g in zip(order, chosen))
            if total < best:
                best, found = total, dict(zip(chosen, order))
    return found


def oracle(
    presence: np.ndarray,
    costs: np.ndarray,
    queries: int,
    shared_owners: bool = True,
    births: str = 'each_layer',
) -> list[list[dict[int, int]]]:
    """Return, frame by frame and layer by layer, instance -> query.

    Every layer matches newcomers by itself; the last layer's book is everybody's afterwards.
    """
    books = [{} for _ in range(LAYERS)]
    history = []
    for t in range(presence.shape[1]):
        if shared_owners:
            books = [dict(books[-1]) for _ in books]
        for layer, book in enumerate(books):
            born = [g for g in range(len(presence)) if presence[g, t] and g not in book]
            free = [n for n in range(queries) if n not in book.values()]
            book.update(cheapest_matching(costs[t, layer], free, born))
        if births == 'last_layer':
            books = [dict(books[-1]) for _ in books]
        history.append([dict(book) for book in books])
    return history


def random_clip(seed: int):
    rng = np.random.default_rng(seed)
    instances, frames = int(rng.integers(0, 5)), int(rng.integers(1, 6))
    queries = int(rng.integers(2, 7))  # often fewer than instances
    presence = rng.random((instances, frames)) < rng.choice([0.2, 0.5, 0.8])
    return presence, rng.normal(size=(frames, LAYERS, queries, instances)), queries


@BOTH
@pytest.mark.parametrize('rule', RULES, ids=['shared', 'last layer', 'each by itself'])
@pytest.mark.parametrize('seed', range(25))
@pytest.mark.filterwarnings('ignore:.*new instances')
def test_equals_the_exhaustive_oracle_on_random_clips(kind, seed, rule):
    presence, costs, queries = random_clip(seed)
    targets = targets_of(presence, seed)
    expected = oracle(presence, costs, queries, **rule)
    history = list(run_clip(assigner_with_costs(kind, costs, **rule), targets, queries))
    for t, (owners, frame) in enumerate(history):
        labels = np.full((LAYERS, queries), CLASSES)
        masks = np.full((LAYERS, queries), -1)
        owned = np.full((LAYERS, queries), -1)
        for layer, book in enumerate(expected[t]):
            for g, n in book.items():
                owned[layer, n] = g
                if presence[g, t]:
                    labels[layer, n] = targets.labels[g]
                if presence[g, t] or kind is UVLAPlusPlusAssigner:
                    masks[layer, n] = g
        assert owners.tolist() == owned.tolist()
        assert frame.labels.tolist() == labels.tolist()
        assert frame.instances.tolist() == masks.tolist()
        keep = owned[-1] >= 0 if kind is UVLAPlusPlusAssigner else np.ones(queries)
        assert frame.keep.tolist() == keep.astype(float).tolist()


@pytest.mark.parametrize('seed', range(40, 80))
@pytest.mark.filterwarnings('ignore:.*new instances')
def test_invariants_of_ownership(seed):
    presence, costs, queries = random_clip(seed)
    before = np.full((LAYERS, queries), -1)
    clip = run_clip(assigner_with_costs(UVLAPlusPlusAssigner, costs), targets_of(presence), queries)
    for t, (owners, _) in enumerate(clip):
        owners = owners.numpy()
        kept = before[-1] >= 0  # the last layer's owners, never changed and shared by all
        assert (owners[:, kept] == before[-1, kept]).all()
        for row in owners:
            there = row[row >= 0].tolist()
            assert len(there) == len(set(there))  # one query for each instance
            assert all(presence[g, : t + 1].any() for g in there)  # none before its birth
            seen = int(presence[:, : t + 1].any(1).sum())
            assert len(there) == min(seen, queries)  # none left out while a query is free
        before = owners


@BOTH
def test_a_disappeared_instance_keeps_its_query_and_finds_it_again(kind):
    presence = np.array([[1, 0, 0, 1], [0, 1, 1, 1]])
    costs = np.zeros((4, LAYERS, 2, 2))
    costs[:, :, 0] = -5  # query 0 suits everybody best, at all times
    history = list(run_clip(assigner_with_costs(kind, costs), targets_of(presence), 2))
    assert history[0][0].tolist() == [[0, -1]] * LAYERS
    for owners, _ in history[1:]:
        assert owners.tolist() == [[0, 1]] * LAYERS
    frame = history[1][1]
    assert (frame.labels[:, 0] == CLASSES).all()
    assert (frame.instances[:, 0] == (0 if kind is UVLAPlusPlusAssigner else -1)).all()
    assert (history[3][1].instances == torch.tensor([0, 1])).all()


@BOTH
def test_more_instances_than_queries_warns_and_keeps_the_cheapest(kind):
    costs = np.zeros((2, LAYERS, 2, 3))
    costs[0, :, 0, 2] = costs[0, :, 1, 1] = -1
    assigner = assigner_with_costs(kind, costs)
    with pytest.warns(UserWarning, match='num_queries'):
        history = list(run_clip(assigner, targets_of(np.ones((3, 2))), 2))
    for owners, frame in history:
        assert owners.tolist() == [[2, 1]] * LAYERS
        assert frame.instances.tolist() == [[2, 1]] * LAYERS


@BOTH
@pytest.mark.parametrize('presence', [np.zeros((0, 3)), np.zeros((2, 3)), np.zeros((1, 1))])
def test_empty_clips_and_empty_frames_leave_every_query_unowned(kind, presence):
    assigner = kind(costs_of_the_config(), num_points=16)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for owners, frame in run_clip(assigner, targets_of(presence), 4):
            assert (owners == -1).all() and (frame.instances == -1).all()
            assert (frame.labels == CLASSES).all()
            assert (frame.keep == (0 if kind is UVLAPlusPlusAssigner else 1)).all()


@BOTH
def test_inputs_are_not_changed_and_no_graph_is_kept(kind):
    torch.manual_seed(0)
    targets = targets_of(np.array([[1, 1], [0, 1]]))
    assigner = kind(costs_of_the_config(), num_points=16)
    inputs = [
        torch.randn(LAYERS, 4, CLASSES + 1, requires_grad=True),
        torch.randn(LAYERS, 4, 2, 2, requires_grad=True),
        torch.full((LAYERS, 4), -1),
        targets.labels,
        targets.masks,
    ]
    copies = [x.detach().clone() for x in inputs]
    owners = assigner.assign(inputs[0], inputs[1], targets, 0, inputs[2])
    between = owners.clone()
    later = assigner.assign(inputs[0], inputs[1], targets, 1, owners)
    frame = assigner.supervise(later, targets, 1, CLASSES)
    assert all(torch.equal(x, copy) for x, copy in zip(inputs, copies))
    assert torch.equal(owners, between) and not torch.equal(later, owners)
    assert not any(x.requires_grad for x in (later, frame.labels, frame.keep))


def choices(frames: int) -> np.ndarray:
    """Costs by which the layers would choose queries 3, 1 and 2 in every frame."""
    costs = np.zeros((frames, LAYERS, 4, 1))
    for layer, query in enumerate((3, 1, 2)):
        costs[:, layer, query] = -1
    return costs


@pytest.mark.parametrize('births', ['each_layer', 'last_layer'])
def test_the_last_layers_choice_is_everybodys_from_the_next_frame_on(births):
    assigner = assigner_with_costs(UVLAPlusPlusAssigner, choices(3), births=births)
    history = list(run_clip(assigner, targets_of(np.array([[1, 0, 1]])), 4))
    born = [[0, 3], [1, 1], [2, 2]] if births == 'each_layer' else [[0, 2], [1, 2], [2, 2]]
    for t, (owners, frame) in enumerate(history):
        expected = born if t == 0 else [[0, 2], [1, 2], [2, 2]]
        assert (owners == 0).nonzero().tolist() == expected
        assert (frame.instances >= 0).nonzero().tolist() == expected
        assert frame.keep.tolist() == [0, 0, 1, 0]


def test_a_first_prediction_that_is_not_supervised_is_never_matched_with_newcomers():
    assigner = assigner_with_costs(UVLAPlusPlusAssigner, choices(2))
    history = list(run_clip(assigner, targets_of(np.ones((1, 2))), 4, first=1))
    assert (history[0][0] == 0).nonzero().tolist() == [[1, 1], [2, 2]]
    assert (history[1][0] == 0).nonzero().tolist() == [[0, 2], [1, 2], [2, 2]]


@pytest.mark.parametrize(
    'rule', [dict(births='first'), dict(births='last_layer', shared_owners=False)]
)
def test_impossible_rules_are_refused(rule):
    with pytest.raises(ValueError, match='births'):
        UVLAAssigner([], **rule)


def costs_of_the_config() -> list[dict]:
    return tiny_config().track_head.assigner.match_costs


def test_the_cost_is_2_class_5_mask_5_dice_at_sampled_points(monkeypatch):
    """Constant masks make the cost independent of the points, away from the fading border."""
    draw = torch.rand
    monkeypatch.setattr(torch, 'rand', lambda *a, **k: 0.2 + 0.6 * draw(*a, **k))
    torch.manual_seed(3)
    classes = torch.randn(LAYERS, 4, CLASSES + 1)
    levels = torch.randn(LAYERS, 4)
    masks = levels[..., None, None].expand(-1, -1, 6, 6).contiguous()
    full = torch.tensor([True, False])
    targets = ClipTargets(
        torch.tensor([2, 0]), full[:, None, None, None].expand(2, 1, 8, 8), torch.arange(2)
    )
    points = 64
    result = UVLAAssigner(costs_of_the_config(), points).cost(classes, masks, targets, 0)
    for layer, n, g in itertools.product(range(LAYERS), range(4), range(2)):
        logits, wanted = np.full(points, levels[layer, n].item()), float(full[g])
        probability = plain.softmax(classes[layer, n].numpy())[targets.labels[g]]
        expected = (
            -2 * probability
            + 5 * plain.bce(logits, wanted).mean()
            + 5 * plain.dice(logits, np.full(points, wanted))
        )
        assert result[layer, n, g].item() == pytest.approx(expected, abs=1e-4)


def test_the_same_points_are_used_for_predictions_and_targets():
    """A prediction equal to an instance's mask is its cheapest match, whatever the points."""
    targets = ClipTargets(
        torch.zeros(3, dtype=torch.long), torch.rand(3, 1, 16, 16) > 0.5, torch.arange(3)
    )
    masks = torch.cat([targets.masks[:, 0], ~targets.masks[:, 0]]).float() * 20 - 10
    order = torch.randperm(6)
    classes = torch.zeros(LAYERS, 6, CLASSES + 1)
    owners = UVLAAssigner(costs_of_the_config(), 200).assign(
        classes,
        masks[order].expand(LAYERS, -1, -1, -1),
        targets,
        0,
        torch.full((LAYERS, 6), -1),
    )
    for layer in range(LAYERS):
        for g in range(3):
            assert order[(owners[layer] == g).nonzero().item()] == g

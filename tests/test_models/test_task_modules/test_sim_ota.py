"""IDOL's assignment against loops over queries and instances."""

from __future__ import annotations

import math

import pytest
import torch

from rocovis_mm.models.task_modules.assigners.sim_ota import SimOTAAssigner

CLASSES = 4


def scene(seed: int, queries: int, instances: int):
    """Return class logits, boxes, labels and ground-truth boxes; queries gather at instances."""
    generator = torch.Generator().manual_seed(seed)

    def boxes(number: int) -> torch.Tensor:
        centres = 0.2 + 0.6 * torch.rand(number, 2, generator=generator)
        return torch.cat([centres, 0.1 + 0.3 * torch.rand(number, 2, generator=generator)], 1)

    gt = boxes(max(instances, 1))
    near = gt[torch.randint(len(gt), (queries,), generator=generator)]
    near = near + 0.03 * torch.randn(queries, 4, generator=generator)
    far = torch.rand(queries, 1, generator=generator) < 0.4
    found = torch.where(far, boxes(queries), near.clamp(min=0.02))
    logits = 2 * torch.randn(queries, CLASSES, generator=generator) - 1
    return logits, found, torch.randint(CLASSES, (instances,), generator=generator), gt[:instances]


def corners(box):
    x, y, w, h = box
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def overlaps(first, second):
    """Return the IoU and the generalised IoU of two boxes."""
    a, b = corners(first), corners(second)
    area = first[2] * first[3] + second[2] * second[3]
    wide = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    high = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    union = area - wide * high
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return wide * high / union, wide * high / union - (hull - union) / hull


def plain_costs(logits, boxes, labels, gt):
    """Return costs and IoUs as lists [query][instance]."""
    costs, ious = [], []
    for row, box in zip(logits.tolist(), boxes.tolist()):
        anywhere, line, shares = False, [], []
        for label, target in zip(labels.tolist(), gt.tolist()):
            p = 1 / (1 + math.exp(-row[label]))
            cost = 0.25 * (1 - p) ** 2 * -math.log(p + 1e-8)
            cost -= 0.75 * p**2 * -math.log(1 - p + 1e-8)
            iou, giou = overlaps(box, target)
            left, top, right, bottom = corners(target)
            inside = left < box[0] < right and top < box[1] < bottom
            central = all(abs(box[i] - target[i]) < 2.5 / 32 for i in (0, 1))
            anywhere = anywhere or inside or central
            line.append(cost - 3 * giou + (0 if inside and central else 100))
            shares.append(iou)
        costs.append([x + (0 if anywhere else 10000) for x in line])
        ious.append(shares)
    return costs, ious


def plain_match(costs, ious, candidates):
    """Return the pairs (query, instance), and the costs after it."""
    costs = [list(row) for row in costs]
    queries, instances = range(len(costs)), range(len(costs[0]))
    pairs = set()
    for g in instances:
        best = sorted((ious[q][g] for q in queries), reverse=True)[:candidates]
        k = max(int(sum(best)), 1)
        pairs |= {(q, g) for q in sorted(queries, key=lambda q: costs[q][g])[:k]}
    contested = {q for q in queries if sum((q, g) in pairs for g in instances) > 1}

    def settle() -> None:
        for q in contested:
            pairs.difference_update((q, g) for g in instances)
            pairs.add((q, min(instances, key=lambda g: costs[q][g])))

    settle()
    while empty := [g for g in instances if all((q, g) not in pairs for q in queries)]:
        for q in {q for q, _ in pairs}:
            costs[q] = [x + 100000 for x in costs[q]]
        for g in empty:
            pairs.add((min(queries, key=lambda q: costs[q][g]), g))
        if any(sum((q, g) in pairs for g in instances) > 1 for q in queries):
            settle()
    return pairs, costs


@pytest.mark.parametrize('queries, instances', [(40, 3), (30, 8), (12, 1), (9, 7)])
@pytest.mark.parametrize('seed', range(4))
def test_assignment(seed, queries, instances):
    logits, boxes, labels, gt = scene(seed, queries, instances)
    costs, ious = plain_costs(logits, boxes, labels, gt)
    pairs, after = plain_match(costs, ious, 10)
    found = SimOTAAssigner().assign(logits, boxes, labels, gt)
    for q in range(queries):
        owners = sorted(g for p, g in pairs if p == q)
        assert found.instances[q] == (owners[0] if owners else -1)
    for g in range(instances):
        mine = [q for q, owner in pairs if owner == g]
        best = found.best[g].item()
        assert best in mine
        assert after[best][g] == pytest.approx(min(after[q][g] for q in mine), abs=0.02)


def test_instances_take_several_queries_and_some_are_contested():
    """The scenes above are not too easy."""
    several = contested = rescued = 0
    for seed in range(4):
        for queries, instances in ((40, 3), (30, 8), (9, 7)):
            costs, ious = plain_costs(*scene(seed, queries, instances))
            pairs, after = plain_match(costs, ious, 10)
            several += len(pairs) > instances
            rescued += after != costs
            tops = [min(range(queries), key=lambda q: costs[q][g]) for g in range(instances)]  # noqa: B023
            contested += len(set(tops)) < instances
    assert several and contested and rescued


@pytest.mark.parametrize('seed', range(3))
def test_queries_of_the_contrast(seed):
    logits, boxes, labels, gt = scene(seed, 40, 3)
    costs, ious = plain_costs(logits, boxes, labels, gt)
    positives, negatives = SimOTAAssigner().contrast(logits, boxes, labels, gt)
    chosen, costs = plain_match(costs, ious, 10)
    near, _ = plain_match(costs, ious, 100)
    for g in range(3):
        assert positives[g].nonzero().flatten().tolist() == sorted(q for q, o in chosen if o == g)
        near_g = {q for q, o in near if o == g}
        assert negatives[g].nonzero().flatten().tolist() == sorted({*range(40)} - near_g)
    assert (positives.sum(1) + negatives.sum(1) < 40).any()  # some are neither


def test_no_instances():
    logits, boxes, labels, gt = scene(0, 12, 0)
    found = SimOTAAssigner().assign(logits, boxes, labels, gt)
    assert found.instances.tolist() == [-1] * 12
    assert len(found.best) == 0
    positives, negatives = SimOTAAssigner().contrast(logits, boxes, labels, gt)
    assert positives.shape == negatives.shape == (0, 12)


def test_more_instances_than_queries_end_too():
    logits, boxes, labels, gt = scene(1, 3, 8)
    found = SimOTAAssigner().assign(logits, boxes, labels, gt)
    assert found.best.shape == (8,)
    assert (found.best < 3).all()

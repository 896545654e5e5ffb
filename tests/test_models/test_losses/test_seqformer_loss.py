"""SeqFormer's matching and losses against plain loops over the published formulas."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from rocovis_mm.models.losses.seqformer_loss import SeqFormerLoss, mask_boxes
from rocovis_mm.models.task_modules.assigners.clip_boxes import ClipBoxAssigner

T, N, K, G = 3, 4, 5, 2


@pytest.fixture(scope='module')
def clip():
    """Class logits (N, K), boxes (T, N, 4), labels (G,), target boxes (G, T, 4), one absent."""
    torch.manual_seed(0)
    targets = torch.rand(G, T, 4) * 0.3 + 0.2
    targets[1, 2] = 0
    return torch.randn(N, K), torch.rand(T, N, 4) * 0.4 + 0.2, torch.tensor([3, 0]), targets


def sides(box):
    x, y, w, h = (float(v) for v in box)
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def giou(first, second):
    a, b = sides(first), sides(second)
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(s[2] - s[0]) * (s[3] - s[1]) for s in (a, b)]
    union = sum(areas) - width * height
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    return width * height / (union + 1e-7) - (hull - union) / (hull + 1e-7)


def sigmoid(x):
    return 1 / (1 + math.exp(-float(x)))


def plain_cost(logits, boxes, label, target):
    p = sigmoid(logits[label])
    positive = -0.25 * (1 - p) ** 2 * math.log(p + 1e-8)
    negative = -0.75 * p**2 * math.log(1 - p + 1e-8)
    distance = math.dist(boxes.flatten().tolist(), target.flatten().tolist())
    overlap = sum(giou(a, b.clamp(1e-7, 1)) for a, b in zip(boxes, target)) / T
    return 2 * (positive - negative) + 5 * distance - 2 * overlap


def test_costs_and_the_best_matching(clip):
    logits, boxes, labels, targets = clip
    assigner = ClipBoxAssigner()
    costs = assigner.costs(logits, boxes, labels, targets)
    expected = torch.tensor(
        [
            [plain_cost(logits[n], boxes[:, n], labels[g], targets[g]) for g in range(G)]
            for n in range(N)
        ]
    )
    torch.testing.assert_close(costs, expected, rtol=1e-4, atol=1e-5)
    queries, instances = assigner.assign(*clip)
    found = dict(zip(instances.tolist(), queries.tolist()))
    best = min(
        itertools.permutations(range(N), G),
        key=lambda rows: sum(float(expected[n, g]) for g, n in enumerate(rows)),
    )
    assert found == dict(enumerate(best))


def test_no_instances_match_nothing(clip):
    nothing = torch.zeros(0, dtype=torch.long), torch.zeros(0, T, 4)
    assert [len(x) for x in ClipBoxAssigner().assign(*clip[:2], *nothing)] == [0, 0]


def focal(logit, target):
    p = sigmoid(logit)
    if target:
        return -0.25 * (1 - p) ** 2 * math.log(p)
    return -0.75 * p**2 * math.log(1 - p)


def test_each_loss(clip):
    logits, boxes, labels, targets = clip
    torch.manual_seed(1)
    queries, count = torch.tensor([2, 0]), torch.tensor(1.5)
    chosen = boxes[:, queries].transpose(0, 1)
    classes = torch.zeros(1, N, K)
    classes[0, queries, labels] = 1
    mask_logits, masks = torch.randn(G, T, 2, 3), torch.rand(G, T, 2, 3) > 0.5
    masks[1, 2] = False
    losses = SeqFormerLoss()(logits[None], classes, chosen, targets, mask_logits, masks, count)
    expected = dict(
        loss_cls=2 * sum(
            focal(logits[n, k], bool(classes[0, n, k])) for n in range(N) for k in range(K)
        ),
        loss_box=5 * sum(
            abs(float(a) - float(b)) for a, b in zip(chosen.flatten(), targets.flatten())
        ) / T,
        loss_giou=2 * sum(
            1 - giou(a, b) for g in range(G) for a, b in zip(chosen[g], targets[g])
        ) / T,
        loss_mask=2 * sum(
            focal(x, bool(m)) for x, m in zip(mask_logits.flatten(), masks.flatten())
        ) / (T * 6),
        loss_dice=5 * sum(dice(mask_logits[g], masks[g]) for g in range(G)),
    )  # fmt: skip
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        assert float(losses[name]) == pytest.approx(value / 1.5, rel=1e-4), name


def dice(logits, masks):
    p = [sigmoid(x) for x in logits.flatten()]
    m = [float(x) for x in masks.flatten()]
    return 1 - (2 * sum(a * b for a, b in zip(p, m)) + 1) / (sum(p) + sum(m) + 1)


def test_boxes_around_masks():
    masks = torch.zeros(2, 2, 6, 10, dtype=torch.bool)
    masks[0, 0, 1:4, 2:7] = True
    masks[1, 1, 5, 9] = True
    boxes = mask_boxes(masks, (6, 8))
    assert boxes[0, 0].tolist() == pytest.approx([4.5 / 8, 2.5 / 6, 5 / 8, 3 / 6])
    assert boxes[1, 1].tolist() == pytest.approx([9.5 / 8, 5.5 / 6, 1 / 8, 1 / 6])
    assert not boxes[0, 1].any() and not boxes[1, 0].any()
    assert mask_boxes(masks[:0], (6, 8)).shape == (0, 2, 4)

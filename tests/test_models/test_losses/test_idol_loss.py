"""IDOL's losses against their formulas, number by number."""

from __future__ import annotations

import math

import pytest
import torch

from rocovis_mm.models.losses.idol_loss import (
    ContrastItem,
    IDOLLoss,
    MatchedQueries,
    contrast_loss,
    cosine_loss,
)


def focal(logit: float, wanted: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    if wanted:
        return 0.25 * (1 - p) ** 2 * -math.log(p)
    return 0.75 * p**2 * -math.log(1 - p)


def corners(box):
    x, y, w, h = box
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


@pytest.fixture(scope='module')
def matched() -> MatchedQueries:
    torch.manual_seed(0)
    boxes = 0.2 + 0.3 * torch.rand(2, 3, 4)
    masks = torch.rand(3, 8, 12) > 0.5
    return MatchedQueries(
        boxes[0].requires_grad_(), torch.randn(3, 2, 3, requires_grad=True), boxes[1], masks
    )


def test_a_layer(matched):
    logits = torch.randn(2, 4, 5, requires_grad=True)
    labels = torch.full((2, 4), 5)
    labels[0, 1], labels[1, 0], labels[1, 3] = 2, 0, 4
    losses = IDOLLoss().layer(logits, labels, matched)
    classes = sum(
        focal(logits[b, n, k].item(), labels[b, n].item() == k)
        for b in range(2) for n in range(4) for k in range(5)
    )  # fmt: skip
    assert losses['loss_cls'].item() == pytest.approx(2 * classes / 3, rel=1e-5)
    distance, giou, mask, dice = 0.0, 0.0, 0.0, 0.0
    for m in range(3):
        box, target = matched.boxes[m].tolist(), matched.gt_boxes[m].tolist()
        distance += sum(abs(x - y) for x, y in zip(box, target))
        a, b = corners(box), corners(target)
        wide = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
        high = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
        union = box[2] * box[3] + target[2] * target[3] - wide * high
        hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
        giou += 1 - wide * high / union + (hull - union) / hull
        pixels = [
            (matched.masks[m, i, j].item(), float(matched.gt_masks[m, 4 * i + 2, 4 * j + 2]))
            for i in range(2) for j in range(3)
        ]  # fmt: skip
        mask += sum(focal(*pixel) for pixel in pixels) / 6
        sure = [1 / (1 + math.exp(-x)) for x, _ in pixels]
        shared = sum(p * wanted for p, (_, wanted) in zip(sure, pixels))
        dice += 1 - (2 * shared + 1) / (sum(sure) + sum(y for _, y in pixels) + 1)
    expected = dict(
        loss_bbox=5 * distance, loss_giou=2 * giou, loss_mask=2 * mask, loss_dice=5 * dice
    )
    for name, total in expected.items():
        assert losses[name].item() == pytest.approx(total / 3, rel=1e-4), name
    sum(losses.values()).backward()
    assert all(x.grad.abs().sum() > 0 for x in (logits, matched.boxes, matched.masks))


def test_a_layer_without_matches_learns_that_there_is_nothing():
    logits = torch.randn(1, 4, 5, requires_grad=True)
    boxes, masks = torch.rand(0, 4, requires_grad=True), torch.rand(0, 2, 3, requires_grad=True)
    nothing = MatchedQueries(boxes, masks, torch.zeros(0, 4), torch.zeros(0, 8, 12) > 0)
    losses = IDOLLoss().layer(logits, torch.full((1, 4), 5), nothing)
    expected = 2 * sum(focal(x, 0) for x in logits.flatten().tolist())
    assert losses.pop('loss_cls').item() == pytest.approx(expected, rel=1e-5)
    assert all(x == 0 and x.requires_grad for x in losses.values())


def test_contrast_of_all_pairs():
    torch.manual_seed(1)
    anchor = torch.randn(6, requires_grad=True)
    positives, negatives = torch.randn(3, 6), torch.randn(25, 6)
    item = ContrastItem(anchor, positives, negatives)
    pairs = [
        math.exp(sum(a * (n - p) for a, n, p in zip(anchor.tolist(), y.tolist(), x.tolist())))
        for x in positives for y in negatives
    ]  # fmt: skip
    assert contrast_loss(item).item() == pytest.approx(math.log(1 + sum(pairs)), rel=1e-4)
    cosines = torch.cosine_similarity(anchor[None], torch.cat([positives, negatives]))
    expected = ((cosines[:3] - 1).square().sum() + cosines[3:].square().sum()) / 28
    assert cosine_loss(item).item() == pytest.approx(expected.item(), rel=1e-5)  # 30 > 25: all
    losses = IDOLLoss().contrast([item, item], torch.zeros(()))
    assert losses['loss_reid'].item() == pytest.approx(2 * contrast_loss(item).item())
    assert losses['loss_reid_aux'].item() == pytest.approx(3 * cosine_loss(item).item())


def test_ten_negatives_of_each_positive_are_drawn():
    torch.manual_seed(2)
    anchor, positives = torch.randn(6), torch.randn(1, 6)
    negatives = torch.randn(40, 6)

    def drawn(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return cosine_loss(ContrastItem(anchor, positives, negatives, generator))

    assert drawn(0) == drawn(0)
    assert len({drawn(seed).item() for seed in range(5)}) > 1
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))[:10]
    chosen = torch.cat([positives, negatives[order]])
    errors = torch.cosine_similarity(anchor[None], chosen) - torch.tensor([1.0] + [0] * 10)
    assert drawn(0).item() == pytest.approx(errors.square().mean().item(), rel=1e-5)


def test_no_items_have_no_contrast():
    embeddings = torch.randn(3, 4, requires_grad=True)
    losses = IDOLLoss().contrast([], 0 * embeddings.sum())
    assert all(x == 0 and x.requires_grad for x in losses.values())

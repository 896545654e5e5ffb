"""Losses and matching under float16: sums over all points exceed its range."""

from __future__ import annotations

import pytest
import torch
from tiny_model import tiny_config

from rocovis_mm.registry import MODELS, TASK_UTILS
from rocovis_mm.structures import ClipTargets, FramePrediction

POINTS = 12544
INSTANCES = 8


@pytest.fixture
def clip():
    torch.manual_seed(0)
    masks = torch.rand(INSTANCES, 1, 64, 64) > 0.5
    targets = ClipTargets(torch.zeros(INSTANCES).long(), masks, torch.arange(INSTANCES))
    class_logits, mask_logits = torch.randn(1, INSTANCES, 4), 8 * torch.randn(1, INSTANCES, 16, 16)
    return class_logits, mask_logits, targets


def parts():
    head = tiny_config().track_head
    head.assigner.num_points = head.loss.num_points = POINTS
    return TASK_UTILS.build(head.assigner), MODELS.build(dict(head.loss, num_classes=3))


def losses_of(class_logits, mask_logits, targets, assigner, criterion, dtype):
    owners = torch.arange(INSTANCES)[None]
    prediction = FramePrediction(
        (class_logits.to(dtype),), (mask_logits.to(dtype),), torch.zeros(1, INSTANCES, 4), {}
    )
    torch.manual_seed(1)
    with torch.autocast('cpu', dtype=torch.float16, enabled=dtype == torch.float16):
        frame = assigner.supervise(owners, targets, 0, 3)
        return criterion([prediction], [[frame]], [targets])


def test_half_precision_losses_are_those_of_single_precision(clip):
    assigner, criterion = parts()
    single = losses_of(*clip, assigner, criterion, torch.float32)
    half = losses_of(*clip, assigner, criterion, torch.float16)
    assert min(single.values()) > 0.1
    for name, value in single.items():
        assert half[name].item() == pytest.approx(value.item(), rel=5e-3), name


def test_half_precision_costs_are_finite_and_those_of_single_precision(clip):
    class_logits, mask_logits, targets = clip
    assigner, _ = parts()
    costs = []
    for half in (False, True):
        torch.manual_seed(1)
        with torch.autocast('cpu', dtype=torch.float16, enabled=half):
            costs.append(assigner.cost(class_logits, mask_logits, targets, 0))
    assert torch.isfinite(costs[1]).all()
    assert torch.allclose(*costs, rtol=1e-5)

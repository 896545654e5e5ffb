"""SimOTA on the queries of a DETR (Ge et al. 2021), as IDOL assigns them (Wu et al. 2022).

N queries, G instances, K classes. Boxes are (x, y, w, h) in shares of the frame.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_overlaps
from torch import Tensor

from rocovis_mm.registry import TASK_UTILS

ALPHA, GAMMA = 0.25, 2.0
"""Of the focal cost."""
CENTRE = 2.5 / 32
"""Half the side of the region around an instance's centre, in shares of the frame."""
OUTSIDE_CENTRE, OUTSIDE_ALL, USED = 100.0, 10000.0, 100000.0
"""Costs of a query whose centre is not in the box and the region of an instance, is in no box and
no region at all, and of a query that another instance has taken."""


class Assignment(NamedTuple):
    """The queries of a frame's instances.

    Attributes:
        instances: (N,) long, the instance of each query, -1 for none.
        best: (G,) long, the cheapest query of each instance.
    """

    instances: Tensor
    best: Tensor


@TASK_UTILS.register_module()
class SimOTAAssigner:
    """Gives every instance at least one query, and more the better boxes fit it.

    An instance takes its k cheapest queries, where k is the sum of its `candidates` highest IoUs.
    A query that several instances take stays with its cheapest one. An instance left without
    a query takes its cheapest one that is free (VNext, IDOL, models/matcher.py:50-170).

    Args:
        giou_weight: weight of the negative generalised IoU in the cost.
        candidates: highest IoUs that are summed for k.
        negative_candidates: the same, for the queries that are no negatives of an instance
            (models/pos_neg_select.py).
    """

    def __init__(
        self, giou_weight: float = 3.0, candidates: int = 10, negative_candidates: int = 100
    ) -> None:
        self.giou_weight = giou_weight
        self.candidates = candidates
        self.negative_candidates = negative_candidates

    @torch.no_grad()
    def assign(
        self, class_logits: Tensor, boxes: Tensor, labels: Tensor, gt_boxes: Tensor
    ) -> Assignment:
        """Assign the instances of a frame.

        Args:
            class_logits: (N, K).
            boxes: (N, 4).
            labels: (G,) long.
            gt_boxes: (G, 4).
        """
        if len(labels) == 0:
            return Assignment(labels.new_full((len(boxes),), -1), labels)
        cost, ious = self.costs(class_logits, boxes, labels, gt_boxes)
        match, cost = dynamic_k_match(cost, ious, self.candidates)
        instances = torch.where(match.any(1), match.int().argmax(1), -1)
        return Assignment(instances, cost.masked_fill(~match, torch.inf).argmin(0))

    @torch.no_grad()
    def contrast(
        self, class_logits: Tensor, boxes: Tensor, labels: Tensor, gt_boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the positive and the negative queries of each instance, (G, N) bool each.

        Queries between them belong to neither. The arguments are those of :meth:`assign`.
        """
        if len(labels) == 0:
            nothing = torch.zeros(0, len(boxes), dtype=torch.bool, device=boxes.device)
            return nothing, nothing
        cost, ious = self.costs(class_logits, boxes, labels, gt_boxes)
        positive, cost = dynamic_k_match(cost, ious, self.candidates)
        near, _ = dynamic_k_match(cost, ious, self.negative_candidates)
        return positive.T, ~near.T

    def costs(
        self, class_logits: Tensor, boxes: Tensor, labels: Tensor, gt_boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the costs and the IoUs (N, G) of queries and instances, as :meth:`assign`."""
        corners, gt_corners = bbox_cxcywh_to_xyxy(boxes), bbox_cxcywh_to_xyxy(gt_boxes)
        x, y = boxes[:, :1], boxes[:, 1:2]
        in_box = (
            (x > gt_corners[:, 0])
            & (x < gt_corners[:, 2])
            & (y > gt_corners[:, 1])
            & (y < gt_corners[:, 3])
        )
        low, high = gt_boxes[:, :2] - CENTRE, gt_boxes[:, :2] + CENTRE
        in_centre = (x > low[:, 0]) & (x < high[:, 0]) & (y > low[:, 1]) & (y < high[:, 1])
        giou = bbox_overlaps(corners, gt_corners, mode='giou')
        cost = focal_cost(class_logits, labels) - self.giou_weight * giou
        cost = cost + OUTSIDE_CENTRE * ~(in_box & in_centre)
        cost[~(in_box | in_centre).any(1)] += OUTSIDE_ALL
        return cost, bbox_overlaps(corners, gt_corners)


def focal_cost(class_logits: Tensor, labels: Tensor) -> Tensor:
    """Return (N, G), the focal cost of each query having each instance's class.

    Args:
        class_logits: (N, K).
        labels: (G,) long.
    """
    p = class_logits.sigmoid()
    negative = (1 - ALPHA) * p**GAMMA * -(1 - p + 1e-8).log()
    positive = ALPHA * (1 - p) ** GAMMA * -(p + 1e-8).log()
    return positive[:, labels] - negative[:, labels]


def dynamic_k_match(cost: Tensor, ious: Tensor, candidates: int) -> tuple[Tensor, Tensor]:
    """Match each instance with its k cheapest queries, at least one.

    Args:
        cost: (N, G), G > 0.
        ious: (N, G).
        candidates: highest IoUs of an instance whose sum is k.

    Returns:
        (N, G) bool, and the costs (N, G) with those of a used query raised.
    """
    cost, match = cost.clone(), torch.zeros_like(cost, dtype=torch.bool)
    best = ious.topk(min(candidates, len(ious)), dim=0).values
    for instance, k in enumerate(best.sum(0).int().clamp(min=1).tolist()):
        match[cost[:, instance].topk(k, largest=False).indices, instance] = True
    contested = match.sum(1) > 1
    keep_cheapest(match, cost, contested)
    for _ in range(len(cost)):  # the published loop has no end where instances outnumber queries
        empty = ~match.any(0)
        if not empty.any():
            break
        cost[match.any(1)] += USED
        match[cost[:, empty].argmin(0), empty.nonzero().flatten()] = True
        if (match.sum(1) > 1).any():
            keep_cheapest(match, cost, contested)
    return match, cost


def keep_cheapest(match: Tensor, cost: Tensor, queries: Tensor) -> None:
    """Leave the `queries` (N,) bool of a match (N, G) with their cheapest instance, in place."""
    match[queries] = False
    match[queries.nonzero().flatten(), cost[queries].argmin(1)] = True

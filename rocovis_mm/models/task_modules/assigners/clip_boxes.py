"""Hungarian matching of queries to the instances of a whole clip, by class and boxes.

N queries, G instances, T frames, K classes. Boxes are (x, y, w, h) in shares of the unpadded frame,
x and y of the centre.
"""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from rocovis_mm.registry import TASK_UTILS

LEAST_SIDE = 1e-7
"""Sides of boxes that are compared by their IoU: an absent instance's box has an area too."""


@TASK_UTILS.register_module()
class ClipBoxAssigner:
    """SeqFormer's matching (VNext, SeqFormer, models/matcher.py).

    The distance of boxes is the Euclidean norm over all frames, as published. A frame in which an
    instance is absent has a box of zeros, and counts.

    Args:
        class_weight: of the focal class cost.
        box_weight: of the distance of boxes.
        giou_weight: of the negative generalised IoU, averaged over the frames.
        alpha: of the focal class cost.
        gamma: of the focal class cost.
    """

    def __init__(
        self,
        class_weight: float = 2.0,
        box_weight: float = 5.0,
        giou_weight: float = 2.0,
        alpha: float = 0.25,
        gamma: float = 2.0,
    ) -> None:
        self.class_weight = class_weight
        self.box_weight = box_weight
        self.giou_weight = giou_weight
        self.alpha = alpha
        self.gamma = gamma

    @torch.no_grad()
    def assign(
        self, class_logits: Tensor, boxes: Tensor, labels: Tensor, target_boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the matched queries (m,) and their instances (m,), m = min(N, G).

        Args:
            class_logits: (N, K), for sigmoid.
            boxes: (T, N, 4).
            labels: (G,) long.
            target_boxes: (G, T, 4).
        """
        cost = self.costs(class_logits.float(), boxes.float(), labels, target_boxes.float())
        rows, columns = linear_sum_assignment(cost.cpu())
        device = class_logits.device
        return torch.as_tensor(rows, device=device), torch.as_tensor(columns, device=device)

    def costs(
        self, class_logits: Tensor, boxes: Tensor, labels: Tensor, target_boxes: Tensor
    ) -> Tensor:
        """Return the cost (N, G) of each pair; the arguments are those of :meth:`assign`."""
        p = class_logits.sigmoid()
        positive = self.alpha * (1 - p) ** self.gamma * -(p + 1e-8).log()
        negative = (1 - self.alpha) * p**self.gamma * -(1 - p + 1e-8).log()
        distance = torch.cdist(
            boxes.transpose(0, 1).flatten(1), target_boxes.flatten(1)
        )  # Euclidean
        giou = generalised_iou(
            corners(boxes)[:, :, None],
            corners(target_boxes.clamp(LEAST_SIDE, 1)).transpose(0, 1)[:, None],
        ).mean(0)
        return (
            self.class_weight * (positive - negative)[:, labels]
            + self.box_weight * distance
            - self.giou_weight * giou
        )


def corners(boxes: Tensor) -> Tensor:
    """Return (..., 4) as (x0, y0, x1, y1)."""
    centre, size = boxes.split(2, dim=-1)
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def generalised_iou(first: Tensor, second: Tensor, eps: float = 1e-7) -> Tensor:
    """Return the generalised IoU (...) of boxes (..., 4), x0, y0, x1, y1."""
    sides = second[..., 2:].minimum(first[..., 2:]) - second[..., :2].maximum(first[..., :2])
    shared = sides.clamp(min=0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (first, second)]
    either = areas[0] + areas[1] - shared
    hull = second[..., 2:].maximum(first[..., 2:]) - second[..., :2].minimum(first[..., :2])
    around = hull.prod(-1)
    return shared / (either + eps) - (around - either) / (around + eps)

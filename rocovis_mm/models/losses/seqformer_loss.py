"""SeqFormer's losses of one decoder layer: classes, boxes and masks of whole clips.

B clips, T frames, N queries, K classes, M matched queries of all clips, h x w a mask's resolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from rocovis_mm.models.task_modules.assigners.clip_boxes import corners, generalised_iou
from rocovis_mm.registry import MODELS


@MODELS.register_module()
class SeqFormerLoss(BaseModule):
    """Focal classes, L1 and generalised IoU of boxes, focal and dice of masks over time.

    As published (VNext, SeqFormer, models/deformable_detr.py, ``SetCriterion``): the class loss is
    a sum over queries and classes, the box losses are sums over frames divided by T, the mask
    losses see all frames of an instance as one vector. Each is divided by the number of instances.

    Args:
        class_weight: of the class loss.
        box_weight: of the L1 loss.
        giou_weight: of the generalised IoU loss.
        mask_weight: of the focal mask loss.
        dice_weight: of the dice loss.
        alpha: share of the positives in focal losses.
        gamma: exponent of focal losses.
    """

    def __init__(
        self,
        class_weight: float = 2.0,
        box_weight: float = 5.0,
        giou_weight: float = 2.0,
        mask_weight: float = 2.0,
        dice_weight: float = 5.0,
        alpha: float = 0.25,
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        self.class_weight = class_weight
        self.box_weight = box_weight
        self.giou_weight = giou_weight
        self.mask_weight = mask_weight
        self.dice_weight = dice_weight
        self.alpha = alpha
        self.gamma = gamma

    def forward(
        self,
        class_logits: Tensor,
        class_targets: Tensor,
        boxes: Tensor,
        target_boxes: Tensor,
        mask_logits: Tensor,
        target_masks: Tensor,
        count: Tensor,
    ) -> dict[str, Tensor]:
        """Return ``loss_cls``, ``loss_box``, ``loss_giou``, ``loss_mask`` and ``loss_dice``.

        Args:
            class_logits: (B, N, K).
            class_targets: (B, N, K), 1 for the class of a matched query.
            boxes: (M, T, 4), (x, y, w, h) in shares of the unpadded frame.
            target_boxes: (M, T, 4), zeros where an instance is absent.
            mask_logits: (M, T, h, w).
            target_masks: (M, T, h, w), empty where an instance is absent.
            count: divisor of all losses.
        """
        length = boxes.shape[1]
        giou = generalised_iou(corners(boxes), corners(target_boxes))
        mask, dice = self.mask_losses(mask_logits, target_masks, count)
        return dict(
            loss_cls=self.class_weight * self.focal(class_logits.float(), class_targets) / count,
            loss_box=self.box_weight * (boxes - target_boxes).abs().sum() / length / count,
            loss_giou=self.giou_weight * (1 - giou).sum() / length / count,
            loss_mask=mask,
            loss_dice=dice,
        )

    def mask_losses(
        self, mask_logits: Tensor, target_masks: Tensor, count: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the focal and the dice loss of masks (M, T, h, w); see :meth:`forward`."""
        logits, masks = mask_logits.float().flatten(1), target_masks.float().flatten(1)
        focal = self.focal(logits, masks) / max(masks.shape[1], 1)
        dice = dice_losses(logits.sigmoid(), masks).sum()
        return self.mask_weight * focal / count, self.dice_weight * dice / count

    def focal(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the sum of the focal losses of logits."""
        entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction='none')
        wrong = (logits.sigmoid() - targets).abs()  # 1 - p of the target
        weight = self.alpha * targets + (1 - self.alpha) * (1 - targets)
        return (weight * wrong**self.gamma * entropy).sum()


def dice_losses(probabilities: Tensor, masks: Tensor) -> Tensor:
    """Return the dice losses (M,) of (M, P) pixels, with 1 added above and below."""
    shared = 2 * (probabilities * masks).sum(1) + 1
    return 1 - shared / (probabilities.sum(1) + masks.sum(1) + 1)


def sampled_masks(masks: Tensor, logits: Tensor, stride: int) -> Tensor:
    """Return masks at the resolution of logits (..., h, w), one pixel of each cell.

    As published for strides of 4: offset 2 (VNext, SeqFormer, models/deformable_detr.py,
    ``loss_masks``). Where an input is no multiple of 32 logits reach beyond it.

    Args:
        masks: (..., H, W).
        logits: (..., h, w), for their size.
        stride: of the logits in pixels.
    """
    found = masks[..., stride // 2 :: stride, stride // 2 :: stride]
    bottom, right = (a - b for a, b in zip(logits.shape[-2:], found.shape[-2:]))
    return F.pad(found, (0, right, 0, bottom))


def mask_boxes(masks: Tensor, size: tuple[float, float]) -> Tensor:
    """Return the boxes (G, T, 4) around masks, (x, y, w, h) in shares of `size`; zeros if empty.

    Args:
        masks: (G, T, H, W) bool.
        size: (height, width) of the unpadded frame.
    """
    sides = []
    for dimension, whole in ((-2, size[1]), (-1, size[0])):  # columns, then rows
        covered = masks.any(dimension).to(torch.uint8)  # (G, T, W or H)
        first = covered.argmax(-1)
        end = covered.shape[-1] - covered.flip(-1).argmax(-1)
        sides.append(torch.stack([first + end, 2 * (end - first)], dim=-1) / (2 * whole))
    boxes = torch.stack(sides, dim=-1).flatten(-2)  # (x, y), (w, h)
    return boxes * masks.any(-1).any(-1)[..., None]

"""IDOL's losses of a pair of frames (Wu et al. 2022).

B pairs, N queries, K classes, C channels, M matched queries of the batch, h x w the
resolution of masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmdet.models.losses import DiceLoss, GIoULoss
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.model import BaseModule
from torch import Tensor

from rocovis_mm.models.task_modules.assigners.sim_ota import ALPHA, GAMMA
from rocovis_mm.registry import MODELS

MASK_STRIDE = 4
"""Of mask logits; the wanted masks are read at the middle pixel of each cell."""
NEGATIVES = 10
"""Negatives of a positive in the auxiliary loss."""


@dataclass(frozen=True)
class MatchedQueries:
    """The matched queries of one decoder layer and their targets.

    Attributes:
        boxes: (M, 4) predicted, (x, y, w, h) in shares of the frame.
        masks: (M, h, w) predicted logits.
        gt_boxes: (M, 4).
        gt_masks: (M, H, W) bool, of the padded frame.
    """

    boxes: Tensor
    masks: Tensor
    gt_boxes: Tensor
    gt_masks: Tensor


@dataclass(frozen=True)
class ContrastItem:
    """An instance's embedding in the key frame, and queries of the other frame.

    Attributes:
        anchor: (C,).
        positives: (p, C).
        negatives: (n, C).
        generator: where the auxiliary loss draws its negatives from.
    """

    anchor: Tensor
    positives: Tensor
    negatives: Tensor
    generator: torch.Generator | None = None


@MODELS.register_module()
class IDOLLoss(BaseModule):
    """Class, box and mask losses of each decoder layer, and the contrast of the last one.

    All are divided by the number of matched queries of this process
    (VNext, IDOL, models/deformable_detr.py:287).

    Args:
        class_weight: weight of the focal loss of classes.
        box_weight: weight of the L1 distance of boxes.
        giou_weight: weight of the generalised IoU.
        mask_weight: weight of the focal loss of masks.
        dice_weight: weight of the dice loss of masks.
        reid_weight: weight of the contrastive loss of embeddings.
        reid_aux_weight: weight of the squared error of their cosines.
    """

    def __init__(
        self,
        class_weight: float = 2.0,
        box_weight: float = 5.0,
        giou_weight: float = 2.0,
        mask_weight: float = 2.0,
        dice_weight: float = 5.0,
        reid_weight: float = 2.0,
        reid_aux_weight: float = 3.0,
    ) -> None:
        super().__init__()
        self.class_weight = class_weight
        self.box_weight = box_weight
        self.mask_weight = mask_weight
        self.reid_weight = reid_weight
        self.reid_aux_weight = reid_aux_weight
        self.loss_giou = GIoULoss(loss_weight=giou_weight)
        self.loss_dice = DiceLoss(naive_dice=True, eps=1.0, loss_weight=dice_weight)

    def layer(
        self, class_logits: Tensor, labels: Tensor, matched: MatchedQueries
    ) -> dict[str, Tensor]:
        """Return the losses of one decoder layer.

        Args:
            class_logits: (B, N, K).
            labels: (B, N) long, K for queries without an instance.
            matched: all matched queries of the batch.
        """
        count = max(len(matched.boxes), 1)
        wanted = F.one_hot(labels, class_logits.shape[-1] + 1)[..., :-1].to(class_logits)
        losses = dict(loss_cls=self.class_weight * focal_loss(class_logits, wanted).sum() / count)
        if len(matched.boxes) == 0:
            nothing = 0 * matched.boxes.sum()
            losses |= dict.fromkeys(('loss_bbox', 'loss_giou'), nothing)
            return losses | dict.fromkeys(('loss_mask', 'loss_dice'), 0 * matched.masks.sum())
        boxes, gt_boxes = matched.boxes, matched.gt_boxes
        losses['loss_bbox'] = self.box_weight * (boxes - gt_boxes).abs().sum() / count
        corners = (bbox_cxcywh_to_xyxy(x) for x in (boxes, gt_boxes))
        losses['loss_giou'] = self.loss_giou(*corners, avg_factor=count)
        start = MASK_STRIDE // 2
        gt_masks = matched.gt_masks[:, start::MASK_STRIDE, start::MASK_STRIDE]
        logits, gt_masks = matched.masks.flatten(1), gt_masks.flatten(1).to(matched.masks)
        losses['loss_mask'] = self.mask_weight * focal_loss(logits, gt_masks).mean(1).sum() / count
        losses['loss_dice'] = self.loss_dice(logits, gt_masks, avg_factor=count)
        return losses

    def contrast(self, items: Sequence[ContrastItem], nothing: Tensor) -> dict[str, Tensor]:
        """Return the losses of embeddings, the means over the items.

        Args:
            items: of all pairs.
            nothing: value where there is no item; with a gradient of zero to the embeddings.
        """
        count = max(len(items), 1)
        with torch.autocast(nothing.device.type, enabled=False):
            contrast = sum((contrast_loss(item) for item in items), start=nothing) / count
            auxiliary = sum((cosine_loss(item) for item in items), start=nothing) / count
        return dict(
            loss_reid=self.reid_weight * contrast, loss_reid_aux=self.reid_aux_weight * auxiliary
        )


def focal_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the focal loss of each logit.

    Args:
        logits: any shape.
        wanted: the same, 0 or 1.
    """
    loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction='none')
    p = logits.sigmoid()
    wrong = wanted + p - 2 * wanted * p  # 1 - p of a positive, p of a negative
    return loss * wrong**GAMMA * (ALPHA * wanted + (1 - ALPHA) * (1 - wanted))


def contrast_loss(item: ContrastItem) -> Tensor:
    """Return log(1 + sum of exp(n a - p a)) over all positives p and negatives n of an anchor a."""
    anchor = item.anchor.float()
    positive = torch.logsumexp(-(item.positives.float() @ anchor), 0)
    negative = torch.logsumexp(item.negatives.float() @ anchor, 0)
    return F.softplus(positive + negative)


def cosine_loss(item: ContrastItem) -> Tensor:
    """Return the mean squared error of cosines, of positives and some random negatives."""
    number = NEGATIVES * max(len(item.positives), 1)
    order = torch.randperm(
        len(item.negatives), generator=item.generator, device=item.negatives.device
    )
    embeddings = torch.cat([item.positives, item.negatives[order[:number]]]).float()
    cosines = F.normalize(embeddings, dim=1) @ F.normalize(item.anchor.float(), dim=0)
    wanted = (torch.arange(len(cosines), device=cosines.device) < len(item.positives)).to(cosines)
    return (cosines - wanted).square().mean()

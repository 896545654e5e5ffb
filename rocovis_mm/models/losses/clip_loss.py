"""Losses of a whole clip: classes of all queries, point-sampled masks of the supervised ones.

B clips, T frames, N queries, K classes, L + 1 predictions, M supervised masks, P points.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.ops import point_sample
from mmdet.utils import reduce_mean
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor

from rocovis_mm.models.task_modules.assigners import UNOWNED
from rocovis_mm.models.task_modules.points import Blocks, uncertain_points
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import ClipTargets, FramePrediction, FrameTargets


class SetLoss(BaseModule):
    """Mask2Former's losses: classes of queries, masks at sampled points.

    Args:
        num_classes: K.
        loss_cls: MMDetection loss of (n, K + 1) logits; its ``class_weight`` is set here.
        loss_mask: MMDetection loss of (n,) point logits.
        loss_dice: MMDetection loss of (M, P) point logits.
        no_object_weight: weight of the class "no object"; the others weigh 1.
        num_points: P.
        oversample_ratio: candidates drawn per point kept.
        importance_sample_ratio: share of points taken where the mask is least certain.
    """

    def __init__(
        self,
        num_classes: int,
        loss_cls: dict,
        loss_mask: dict,
        loss_dice: dict,
        no_object_weight: float = 0.1,
        num_points: int = 12544,
        oversample_ratio: float = 3.0,
        importance_sample_ratio: float = 0.75,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        class_weight = [1.0] * num_classes + [no_object_weight]
        self.loss_cls = MODELS.build(dict(loss_cls, class_weight=class_weight))
        self.loss_mask = MODELS.build(loss_mask)
        self.loss_dice = MODELS.build(loss_dice)
        self.num_points = num_points
        self.oversample_ratio = oversample_ratio
        self.importance_sample_ratio = importance_sample_ratio

    def point_losses(
        self, predicted: Tensor, wanted: Tensor, mask_count: Tensor, blocks: Blocks
    ) -> tuple[Tensor, Tensor]:
        """Return the mask and dice loss at sampled points.

        Args:
            predicted: (M, h, w) mask logits, M > 0.
            wanted: (M, H, W) masks.
            mask_count: what both are divided by.
            blocks: of M masks in all, see :data:`Blocks`.
        """
        logits, masks = predicted[:, None].float(), wanted[:, None].float()
        with torch.no_grad():
            points = uncertain_points(
                logits, blocks, self.num_points, self.oversample_ratio, self.importance_sample_ratio
            )
            point_targets = point_sample(masks, points).squeeze(1)  # (M, P)
        point_logits = point_sample(logits, points).squeeze(1)
        dice = self.loss_dice(point_logits, point_targets, avg_factor=mask_count)
        mask = self.loss_mask(
            point_logits.flatten(), point_targets.flatten(), avg_factor=mask_count * self.num_points
        )
        return mask, dice

    def all_classes_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted mean of the cross entropy of (V, N, K + 1) logits."""
        weight = torch.tensor(self.loss_cls.class_weight, device=logits.device)
        total = reduce_mean(weight[labels].sum()).clamp(min=1e-6)
        return self.loss_cls(logits.flatten(0, 1).float(), labels.flatten(), avg_factor=total)


def mean_count(count: Tensor) -> Tensor:
    """Return the mean of the ranks' counts of masks or pairs, which a loss is divided by.

    At least one in all is counted, whatever the number of ranks: two ranks so learn what one
    rank learns from both their clips.

    Args:
        count: of this rank, a number without dimensions; every rank has to call.
    """
    return reduce_mean(count.to(torch.float32)).clamp(min=1 / get_world_size())


@MODELS.register_module()
class ClipLoss(SetLoss):
    """Class, mask and dice loss with deep supervision at every prediction of every frame.

    Each normaliser is computed once for the clip and averaged over ranks: masks
    by the number of masks supervised in all frames (the empty ones of UVLA++
    count), classes by the sum of the class weights of all targets.

    Args:
        supervise_initial: whether the prediction made before the first layer at
            frame 0 is supervised too, as in Mask2Former. It sees no image
            features of its own; tiny models learn faster without it.
        supervise_carried: whether the classes of prediction 0 at the later frames are
            supervised. They are those of the last layer at the frame before, bit for bit.
            This is an ablation.
        **kwargs: arguments of :class:`SetLoss`.
    """

    def __init__(
        self,
        *,
        supervise_initial: bool = True,
        supervise_carried: bool = False,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(**kwargs)
        self.supervise_initial = supervise_initial
        self.supervise_carried = supervise_carried

    def forward(
        self,
        predictions: Sequence[FramePrediction],
        supervision: Sequence[Sequence[FrameTargets]],
        targets: Sequence[ClipTargets],
    ) -> dict[str, Tensor]:
        """Return the losses, ``loss_*`` of the last layer and ``d{i}.loss_*`` of the others.

        Args:
            predictions: T predictions of B clips each.
            supervision: T lists of B frame targets.
            targets: B clip targets.
        """
        device = predictions[0].class_logits[0].device
        class_weight = torch.tensor(self.loss_cls.class_weight, device=device)  # never half
        last = [[frame.labels[-1] for frame in frames] for frames in supervision]
        class_sum = sum(class_weight[labels].sum() for frames in last for labels in frames)
        mask_count = sum(
            (frame.instances[-1] != UNOWNED).sum() for frames in supervision for frame in frames
        )
        class_sum = reduce_mean(class_sum).clamp(min=1e-6)
        mask_count = mean_count(mask_count)

        losses = {}
        num_predictions = len(predictions[0].class_logits)
        for layer in range(num_predictions):
            first = 0 if layer > 0 or self.supervise_initial else 1
            end = len(predictions) if layer > 0 or self.supervise_carried else 1
            prefix = '' if layer == num_predictions - 1 else f'd{layer}.'
            losses[f'{prefix}loss_cls'] = self.class_loss(
                predictions[first:end], supervision[first:end], layer, class_sum
            )
            mask, dice = self.mask_losses(
                predictions, supervision, targets, layer, first, mask_count
            )
            losses[f'{prefix}loss_mask'], losses[f'{prefix}loss_dice'] = mask, dice
        return losses

    def class_loss(
        self,
        predictions: Sequence[FramePrediction],
        supervision: Sequence[Sequence[FrameTargets]],
        layer: int,
        class_sum: Tensor,
    ) -> Tensor:
        """Return the classification loss of one layer over the given frames."""
        if not predictions:
            return class_sum.new_zeros(())
        logits = torch.cat([p.class_logits[layer].flatten(0, 1) for p in predictions])
        labels = torch.cat([frame.labels[layer] for frames in supervision for frame in frames])
        return self.loss_cls(logits.float(), labels, avg_factor=class_sum)

    def mask_losses(
        self,
        predictions: Sequence[FramePrediction],
        supervision: Sequence[Sequence[FrameTargets]],
        targets: Sequence[ClipTargets],
        layer: int,
        first: int,
        mask_count: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the mask and dice loss of one layer over the frames from `first` on."""
        predicted, wanted, blocks = [], [], []
        for t in range(first, len(predictions)):
            for b, frame in enumerate(supervision[t]):
                queries = (frame.instances[layer] != UNOWNED).nonzero().flatten()
                predicted.append(predictions[t].mask_logits[layer][b, queries])
                wanted.append(targets[b].masks[frame.instances[layer][queries], t])
                blocks.append((len(queries), targets[b].generator))
        if not predicted or not any(len(x) for x in predicted):
            # nothing to learn; the graph must still reach the masks on every rank
            nothing = sum((p.mask_logits[layer] * 0).sum() for p in predictions)
            return nothing, nothing
        return self.point_losses(torch.cat(predicted), torch.cat(wanted), mask_count, blocks)

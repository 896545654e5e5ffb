"""DVIS' loss of its tracker, over a whole clip at once (Zhang et al. 2023).

B clips, T frames, N queries, G instances, K classes, D layers of the tracker.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rocovis_mm.models.losses.clip_loss import SetLoss, mean_count
from rocovis_mm.models.task_modules.assigners.genvis import UNSEEN
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import ClipTargets


@MODELS.register_module()
class DVISLoss(SetLoss):
    """Class, mask and dice loss of every layer of the tracker in every frame.

    A query that is matched learns the mask of its instance in every frame of the clip, an empty
    one where the instance is absent, also before its first frame. As published
    (dvis/meta_architecture.py:692), its class is that of the instance there too. Where two
    instances have the same query, the one that appears later decides the class. The masks are
    divided by T times the number of instances, averaged over the ranks.

    Args:
        published: False lets the class be "no object" where the instance is absent.
        **kwargs: arguments of :class:`SetLoss`.
    """

    def __init__(self, *, published: bool = True, **kwargs) -> None:  # noqa: ANN003
        super().__init__(**kwargs)
        self.published = published

    def forward(
        self,
        class_logits: Sequence[Tensor],
        mask_logits: Sequence[Tensor],
        slots: Sequence[Tensor],
        targets: Sequence[ClipTargets],
    ) -> dict[str, Tensor]:
        """Return the losses: ``d{i}.loss_*``, ``loss_*`` of the last layer.

        Args:
            class_logits: D tensors (B, T, N, K + 1).
            mask_logits: D tensors (B, T, N, h, w).
            slots: B tensors (D, G) of the assigner after the last frame.
            targets: B clip targets.
        """
        frames = class_logits[0].shape[1]
        seen = torch.stack([target.present.any(1).sum() for target in targets])
        count = mean_count(frames * seen.sum())
        losses = {}
        for layer, (classes, masks) in enumerate(zip(class_logits, mask_logits)):
            prefix = '' if layer == len(class_logits) - 1 else f'd{layer}.'
            own = [slot[layer] for slot in slots]
            labels = torch.stack(
                [self.labels(classes[b], slot, targets[b]) for b, slot in enumerate(own)]
            )
            losses[f'{prefix}loss_cls'] = self.all_classes_loss(
                classes.flatten(0, 1), labels.flatten(0, 1)
            )
            found = [slot != UNSEEN for slot in own]
            if not any(x.any() for x in found):
                losses[f'{prefix}loss_mask'] = losses[f'{prefix}loss_dice'] = (masks * 0).sum()
                continue
            wanted = [target.masks[x].transpose(0, 1) for target, x in zip(targets, found)]
            predicted = [masks[b][:, slot[found[b]]] for b, slot in enumerate(own)]
            losses[f'{prefix}loss_mask'], losses[f'{prefix}loss_dice'] = self.point_losses(
                torch.cat([x.flatten(0, 1) for x in predicted]),
                torch.cat([x.flatten(0, 1) for x in wanted]),
                count,
                [(frames * int(x.sum()), t.generator) for x, t in zip(found, targets)],
            )
        return losses

    def labels(self, classes: Tensor, slots: Tensor, target: ClipTargets) -> Tensor:
        """Return the class of each query in each frame of a clip, (T, N) long.

        Args:
            classes: (T, N, K + 1) logits.
            slots: (G,), the query of each instance.
            target: of the clip.
        """
        labels = torch.full(classes.shape[:2], self.num_classes, device=classes.device)
        first = target.present.int().argmax(1)  # of the frames of an instance
        for g in first.argsort(stable=True).tolist():
            if slots[g] != UNSEEN:
                shown = slice(None) if self.published else target.present[g]
                labels[shown, slots[g]] = target.labels[g]
        return labels

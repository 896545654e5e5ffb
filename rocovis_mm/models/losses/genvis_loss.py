"""GenVIS' loss of its object decoder, frame by frame.

V clips (each clip once for every frame decoder layer it is decoded from), N queries,
G instances, K classes, D predictions, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rocovis_mm.models.losses.clip_loss import SetLoss, mean_count
from rocovis_mm.models.task_modules.assigners.genvis import UNSEEN
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import ClipTargets


@dataclass(frozen=True)
class Embeddings:
    """The embeddings that the similarity loss compares in one frame; n of all clips together.

    Attributes:
        vectors: (n, C).
        ids: (n,) long, the instance each belongs to.
        clips: (n,) long, the clip each belongs to; others are not compared.
    """

    vectors: Tensor
    ids: Tensor
    clips: Tensor


@MODELS.register_module()
class GenVISLoss(SetLoss):
    """Class, mask and dice loss of every object decoder layer, and similarity.

    Normalised frame by frame and summed over the frames, as the published code
    does (genvis/modeling/genvis_criterion.py; its window is one frame here).

    Args:
        similarity_weight: weight of the loss that draws the embeddings of one
            instance together and those of two apart. It is taken in every frame;
            the published code, by a key that its weights do not name, takes it
            with weight 1 in the last window alone.
        **kwargs: arguments of :class:`SetLoss`.
    """

    def __init__(self, *, similarity_weight: float = 0.5, **kwargs) -> None:  # noqa: ANN003
        super().__init__(**kwargs)
        self.similarity_weight = similarity_weight

    def forward(
        self,
        class_logits: Sequence[Tensor],
        mask_logits: Sequence[Tensor],
        slots: Sequence[Tensor],
        targets: Sequence[ClipTargets],
        frame: int,
        embeddings: Embeddings,
    ) -> dict[str, Tensor]:
        """Return one frame's losses: ``d{i}.loss_*``, ``loss_*`` of the last layer.

        Args:
            class_logits: D tensors (V, N, K + 1).
            mask_logits: D tensors (V, N, h, w).
            slots: V tensors (D, G) of the assigner.
            targets: V clip targets.
            frame: index into the clips.
            embeddings: of this frame's instances.
        """
        seen = [
            target.present[:, frame] & (slot[-1] != UNSEEN) for target, slot in zip(targets, slots)
        ]
        count = mean_count(sum(s.sum() for s in seen))
        losses = {}
        for layer, (classes, masks) in enumerate(zip(class_logits, mask_logits)):
            prefix = '' if layer == len(class_logits) - 1 else f'd{layer}.'
            queries = [slot[layer, s] for slot, s in zip(slots, seen)]
            labels = torch.full(classes.shape[:2], self.num_classes, device=classes.device)
            for v, (target, s) in enumerate(zip(targets, seen)):
                labels[v, queries[v]] = target.labels[s]
            losses[f'{prefix}loss_cls'] = self.all_classes_loss(classes, labels)
            if not any(len(q) for q in queries):
                losses[f'{prefix}loss_mask'] = losses[f'{prefix}loss_dice'] = (masks * 0).sum()
                continue
            losses[f'{prefix}loss_mask'], losses[f'{prefix}loss_dice'] = self.point_losses(
                torch.cat([masks[v, q] for v, q in enumerate(queries)]),
                torch.cat([target.masks[s, frame] for target, s in zip(targets, seen)]),
                count,
                [(len(q), target.generator) for q, target in zip(queries, targets)],
            )
        losses['loss_similarity'] = self.similarity_weight * similarity_loss(embeddings)
        return losses


def similarity_loss(embeddings: Embeddings) -> Tensor:
    """Return the mean over all pairs of one clip: alike if and only if of one instance.

    The number of pairs is averaged over ranks.
    """
    vectors = embeddings.vectors.float()
    alike = (embeddings.ids[:, None] == embeddings.ids).to(vectors)
    together = (embeddings.clips[:, None] == embeddings.clips).to(vectors)
    count = mean_count(together.sum())  # on every rank: the ranks must speak to each other
    if len(vectors) == 0:
        return vectors.sum()
    with torch.autocast(vectors.device.type, enabled=False):
        products = vectors @ vectors.T
    loss = F.binary_cross_entropy_with_logits(products, alike, reduction='none')
    return (loss * together).sum() / count

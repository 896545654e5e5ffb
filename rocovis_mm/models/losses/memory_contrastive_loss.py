"""CTVIS' contrastive loss of embeddings, whose positives come from a memory as at test time.

B clips, T frames, N queries, G instances of a clip, g of them with an item, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from rocovis_mm.models.task_modules.association import similarity_guided
from rocovis_mm.registry import MODELS


class ItemLosses(NamedTuple):
    """The losses of g items each."""

    contrast: Tensor  # (g,)
    cosine: Tensor  # (g,)


@MODELS.register_module()
class MemoryContrastiveLoss(BaseModule):
    """Draws an instance's embedding to its past, and away from the other queries of the past.

    An item is an instance that is present in a frame t >= 1, its anchor the embedding there. The
    positive is its memory after frame t - 1 or its last earlier embedding, whichever a coin
    says. In the instance's first frame the next later embedding is the positive. The negatives
    are all queries of frame t - 1 except the instance's own. Without a positive there is no item.
    With the scalar products d, an item costs ``log(1 + sum_j exp(d_j - d_positive))``, and the
    auxiliary loss is the mean of ``(cosine - label)^2`` over the positive (label 1) and the
    negatives (label 0). Both are means over the items of all clips of this rank (CTVIS,
    ctvis/modeling/cl_plugin/ct_cl_plugin.py). Gradients flow through the memory.

    Args:
        weight: of the contrastive loss.
        aux_weight: of the auxiliary loss.
        memory_prob: probability that the memory is the positive.
        skip_as_published: leave an item out where the published code does by mistake. That is in
            a frame t with exactly t frames after it in which the instance is absent
            (ct_cl_plugin.py:90-91, ``exist_after``).

    Raises:
        ValueError: `memory_prob` is no probability.
    """

    def __init__(
        self,
        weight: float = 2.0,
        aux_weight: float = 3.0,
        memory_prob: float = 0.5,
        skip_as_published: bool = True,
    ) -> None:
        super().__init__()
        if not 0 <= memory_prob <= 1:
            raise ValueError(f'reid_loss.memory_prob={memory_prob}: give a number from 0 to 1')
        self.weight = weight
        self.aux_weight = aux_weight
        self.memory_prob = memory_prob
        self.skip_as_published = skip_as_published

    def forward(
        self,
        embeddings: Tensor,
        queries: Sequence[Tensor],
        generators: Sequence[torch.Generator | None],
    ) -> dict[str, Tensor]:
        """Return ``loss_reid`` and ``loss_aux_reid``.

        Args:
            embeddings: (B, T, N, C).
            queries: B tensors (G, T) long, the query of each instance in each frame, -1 where it
                is absent.
            generators: of the clips' coins; None for torch's own.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = embeddings.float()
            items = [
                item
                for clip in zip(embeddings, queries, generators)
                for item in self.clip_items(*clip)
            ]
            nothing = embeddings.sum() * 0
            contrast = torch.cat([nothing[None], *(item.contrast for item in items)])
            cosine = torch.cat([nothing[None], *(item.cosine for item in items)])
            count = max(len(contrast) - 1, 1)
            return {
                'loss_reid': self.weight * contrast.sum() / count,
                'loss_aux_reid': self.aux_weight * cosine.sum() / count,
            }

    def clip_items(
        self, embeddings: Tensor, queries: Tensor, generator: torch.Generator | None
    ) -> list[ItemLosses]:
        """Return the losses of a clip's items, frame by frame.

        Args:
            embeddings: (T, N, C).
            queries: (G, T) long.
            generator: of the coins.
        """
        present = queries >= 0
        frames = torch.arange(queries.shape[1], device=queries.device)
        own = embeddings[frames, queries.clamp(min=0)]  # (G, T, C)
        coins = torch.rand(queries.shape, generator=generator, device=queries.device)
        memory, items = own[:, 0], []
        for t in range(1, len(embeddings)):
            seen = present[:, :t]
            positive, found = self.positives(own, present, t)
            remembered = seen.any(1) & (coins[:, t] < self.memory_prob)
            positive = torch.where(remembered[:, None], memory, positive)
            anchors = (present[:, t] & found).nonzero().flatten()
            if len(anchors):
                items.append(
                    item_losses(
                        own[anchors, t],
                        positive[anchors],
                        embeddings[t - 1],
                        queries[anchors, t - 1],
                    )
                )
            updated = similarity_guided(memory, own[:, :t], seen, own[:, t])
            memory = torch.where(present[:, t, None], updated, memory)
        return items

    def positives(self, own: Tensor, present: Tensor, frame: int) -> tuple[Tensor, Tensor]:
        """Return the last earlier embedding of each instance, else the next later one.

        Args:
            own: (G, T, C) embeddings of the instances.
            present: (G, T) bool.
            frame: t >= 1.

        Returns:
            (G, C), and (G,) bool, whether there is one.
        """
        earlier, later = present[:, :frame], present[:, frame + 1 :]
        last = frame - 1 - earlier.flip(1).int().argmax(1)
        rows = torch.arange(len(own), device=own.device)
        positive, found = own[rows, last], earlier.any(1)
        if later.shape[1]:
            first = frame + 1 + later.int().argmax(1)
            positive = torch.where(found[:, None], positive, own[rows, first])
            some = later.any(1)
            if self.skip_as_published:
                some = some & ((~later).sum(1) != frame)
            found = found | some
        return positive, found


def item_losses(anchors: Tensor, positives: Tensor, others: Tensor, own: Tensor) -> ItemLosses:
    """Return the losses of g items of one frame.

    Args:
        anchors: (g, C).
        positives: (g, C).
        others: (N, C), all queries of the frame before.
        own: (g,) long, the query among them that is the instance itself, -1 for none.
    """
    negative = own[:, None] != torch.arange(len(others), device=own.device)  # (g, N)
    products = anchors @ others.T - (anchors * positives).sum(1, keepdim=True)
    products = products.masked_fill(~negative, -torch.inf)
    contrast = torch.cat([products.new_zeros(len(products), 1), products], dim=1).logsumexp(1)
    units = F.normalize(anchors, dim=1)
    alike = (units * F.normalize(positives, dim=1)).sum(1)
    unlike = (units @ F.normalize(others, dim=1).T) * negative
    cosine = ((alike - 1) ** 2 + (unlike**2).sum(1)) / (1 + negative.sum(1))
    return ItemLosses(contrast, cosine)

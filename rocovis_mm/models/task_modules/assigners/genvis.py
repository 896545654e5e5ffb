"""The unified video label assignment as GenVIS' published code does it.

D predictions (object decoder layers), N queries, G instances of a clip, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rocovis_mm.models.task_modules.assigners.uvla import MaskMatcher
from rocovis_mm.registry import TASK_UTILS
from rocovis_mm.structures import ClipTargets

UNSEEN = -1


@TASK_UTILS.register_module()
class GenVISAssigner(MaskMatcher):
    """Gives every instance one query from its first frame on.

    ``slots`` (D, G) long holds the query of each instance, -1 before its first
    frame; a slot never changes. In the published code a new instance may take the
    query of one that is absent at that moment. Once the absent one returns, both are
    learned by the same query (genvis/modeling/genvis_matcher.py, where only
    *visible* old instances' queries are excluded).

    Args:
        match_costs: see :class:`MaskMatcher`.
        num_points: see :class:`MaskMatcher`.
        reuse_disappeared: the published behaviour; False keeps a disappeared
            instance's query for it, as UVLA does in RoCoVIS.
    """

    def __init__(
        self,
        match_costs: Sequence[dict],
        num_points: int = 12544,
        reuse_disappeared: bool = True,
    ) -> None:
        super().__init__(match_costs, num_points)
        self.reuse_disappeared = reuse_disappeared

    @torch.no_grad()
    def assign(
        self,
        class_logits: Tensor,
        mask_logits: Tensor,
        targets: ClipTargets,
        frame: int,
        slots: Tensor,
    ) -> Tensor:
        """Return the slots after this frame.

        Args:
            class_logits: (D, N, K + 1).
            mask_logits: (D, N, h, w).
            targets: of the whole clip.
            frame: index into the clip.
            slots: (D, G) before this frame; not changed.
        """
        present = targets.present[:, frame]
        present, updated = present.cpu(), slots.to('cpu', copy=True)
        born = present & (updated == UNSEEN)  # (D, G)
        if not born.any():
            return slots
        cost = self.cost(class_logits, mask_logits, targets, frame).cpu()
        held = self.held(updated, present)
        for layer in range(len(slots)):
            free = torch.ones(cost.shape[1], dtype=torch.bool)
            free[updated[layer, held[layer]]] = False
            newcomers = born[layer].nonzero().flatten()
            queries, instances = self.match(cost[layer], free.nonzero().flatten(), newcomers)
            updated[layer, instances] = queries.to(updated)
        return updated.to(slots.device)

    def held(self, slots: Tensor, present: Tensor) -> Tensor:
        """Return the instances whose queries no other may take, (D, G) bool.

        Args:
            slots: (D, G) before this frame.
            present: (G,) bool, those that this frame shows.
        """
        return (slots != UNSEEN) & (present if self.reuse_disappeared else True)

"""DVIS' matching of instances in the frame of their first appearance (Zhang et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rocovis_mm.models.task_modules.assigners.genvis import GenVISAssigner
from rocovis_mm.registry import TASK_UTILS


@TASK_UTILS.register_module()
class DVISAssigner(GenVISAssigner):
    """Gives every instance one query from its first frame to the clip's end.

    ``slots`` (D, G) are those of :class:`GenVISAssigner`. Invariant: a slot never changes. As
    published, an instance that appears later may take a query that an earlier one has, and both
    are then learned by it: the list of used queries is never filled
    (mask2former_video/modeling/matcher.py:236).

    Args:
        match_costs: see :class:`MaskMatcher`.
        num_points: see :class:`MaskMatcher`.
        published: False keeps the queries of earlier instances for them.
    """

    def __init__(
        self, match_costs: Sequence[dict], num_points: int = 12544, published: bool = True
    ) -> None:
        super().__init__(match_costs, num_points, reuse_disappeared=False)
        self.published = published

    def held(self, slots: Tensor, present: Tensor) -> Tensor:
        """Return the instances whose queries no other may take, (D, G) bool."""
        return (
            torch.zeros_like(slots, dtype=torch.bool)
            if self.published
            else super().held(slots, present)
        )

"""One matching for a whole clip, after TCOVIS (Li et al., ICCV 2023, "global instance assignment").

N queries, G instances of a clip, T frames, K classes, L predictions (decoder layers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from mmdet.models.task_modules.assigners import ClassificationCost
from torch import Tensor

from rocovis_mm.models.task_modules.assigners.uvla import UNOWNED, MaskMatcher, UVLAAssigner
from rocovis_mm.registry import TASK_UTILS
from rocovis_mm.structures import ClipTargets, FrameTargets

ABSENT_COSTS = ('no_object', 'nothing')


@dataclass(frozen=True)
class ClipCosts:
    """The costs of a clip up to a frame.

    Attributes:
        total: (N, G), summed over the frames, on the CPU.
        seen: (G,) bool, instances that showed a pixel in one of the frames, on the CPU.
        layers: L.
    """

    total: Tensor
    seen: Tensor
    layers: int

    @cached_property
    def owners(self) -> Tensor:
        """(L, N) long, on the CPU: the one assignment of least total cost, for all layers."""
        queries, instances = MaskMatcher.match(
            self.total, torch.arange(len(self.total)), self.seen.nonzero().flatten()
        )
        owners = torch.full((len(self.total),), UNOWNED)
        owners[queries] = instances
        return owners.expand(self.layers, -1)


@TASK_UTILS.register_module()
class ClipGlobalAssigner(UVLAAssigner):
    """Gives every instance the query that costs least over all frames of the clip.

    UVLA decides at the first frame of an instance. Its query can be a bad one later. Here
    the costs of the last decoder layer are summed over the frames, and one Hungarian
    matching assigns all instances of the clip. The published abstract of TCOVIS says this
    much. Its code is not public, so the following points are our decisions:

    - In a frame without the instance, a query costs as much as its class "no object" does,
      and its mask costs nothing. The loss of such a frame is the same: the class is learned
      and the mask is not. ``absent='nothing'`` counts only the frames with the instance.
    - The last layer decides for all layers, as in later frames of UVLA: the slot of a query
      is the identity of its instance.
    - All masks are propagated in training, because owners are known only after the last frame.

    The head asks for the supervision of all frames again at the end of the clip, see
    :meth:`FrameHead.settle`.

    Invariants: a query has at most one owner in a clip, the same in all frames and layers;
    every instance that the clip shows has a query, if there are enough of them.

    Args:
        match_costs: see :class:`MaskMatcher`.
        num_points: see :class:`MaskMatcher`.
        absent: cost of a frame without the instance, ``no_object`` or ``nothing``.

    Raises:
        ValueError: unknown `absent`, or ``no_object`` without a ``ClassificationCost``.
    """

    def __init__(
        self, match_costs: Sequence[dict], num_points: int = 12544, absent: str = 'no_object'
    ) -> None:
        super().__init__(match_costs, num_points)
        if absent not in ABSENT_COSTS:
            raise ValueError(f'absent={absent!r}: choose one of {ABSENT_COSTS}')
        kinds = [cost for cost in self.match_costs if isinstance(cost, ClassificationCost)]
        if absent == 'no_object' and not kinds:
            raise ValueError(
                "absent='no_object' needs an mmdet.ClassificationCost among match_costs; add it, "
                "or give absent='nothing'"
            )
        self.no_object_weight = sum(cost.weight for cost in kinds) if absent == 'no_object' else 0

    @torch.no_grad()
    def assign(
        self,
        class_logits: Tensor,
        mask_logits: Tensor,
        targets: ClipTargets,
        frame: int,
        owners: Tensor | ClipCosts,
        first: int = 0,
    ) -> ClipCosts:
        """Return the costs of the clip up to this frame.

        Args:
            class_logits: (L, N, K + 1).
            mask_logits: (L, N, h, w).
            targets: of the whole clip.
            frame: index into the clip; 0 begins it anew.
            owners: the costs up to the frame before.
            first: not used, no layer is matched by itself.
        """
        present = targets.present[:, frame]
        absent = -self.no_object_weight * class_logits[-1].float().softmax(-1)[:, -1:]  # (N, 1)
        cost = absent.expand(-1, len(targets))
        if len(targets):
            matched = self.cost(class_logits[-1:], mask_logits[-1:], targets, frame)[0]
            cost = torch.where(present, matched, cost)
        cost, present = cost.cpu(), present.cpu()
        if frame > 0:
            cost, present = owners.total + cost, owners.seen | present
        return ClipCosts(cost, present, len(class_logits))

    def supervise(
        self, owners: ClipCosts, targets: ClipTargets, frame: int, num_classes: int
    ) -> FrameTargets:
        """Return the targets of a frame's predictions, by the costs so far.

        Args:
            owners: the costs; of the whole clip once it has ended.
            targets: of the whole clip.
            frame: index into the clip.
            num_classes: K, also the label of "no object".
        """
        decided = owners.owners.to(targets.labels.device)
        return super().supervise(decided, targets, frame, num_classes)

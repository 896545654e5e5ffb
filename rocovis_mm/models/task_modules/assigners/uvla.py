"""Unified video label assignment over a clip: UVLA (Heo et al. 2023) and UVLA++.

B clips, N queries, G instances of a clip, K classes, L predictions (decoder layers),
P sampled points. ``owners`` (L, N) long: the instance that owns a query, or -1.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from mmcv.ops import point_sample
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from rocovis_mm.models.task_modules.points import draw_points
from rocovis_mm.registry import TASK_UTILS
from rocovis_mm.structures import ClipTargets, FrameTargets
from rocovis_mm.utils.divergence import DivergenceError, first_not_finite

UNOWNED = -1


class MaskMatcher:
    """Costs of giving queries to instances, and the best way to.

    Args:
        match_costs: MMDetection match costs, called with ``scores`` (L*N, K+1)
            logits and ``masks`` (L*N, P) logits against ``labels`` (G,) and
            ``masks`` (G, P).
        num_points: points P drawn per frame, the same for all queries.
    """

    def __init__(self, match_costs: Sequence[dict], num_points: int = 12544) -> None:
        self.match_costs = [TASK_UTILS.build(cost) for cost in match_costs]
        self.num_points = num_points

    def cost(
        self, class_logits: Tensor, mask_logits: Tensor, targets: ClipTargets, frame: int
    ) -> Tensor:
        """Return the matching cost of every query with every instance, (L, N, G).

        In float32 also under autocast: sums over the points exceed half precision.

        Raises:
            DivergenceError: a cost is not finite, because the prediction is not.
        """
        layers, queries = class_logits.shape[:2]
        points = draw_points([(1, targets.generator)], self.num_points, mask_logits.device)
        with torch.autocast(mask_logits.device.type, enabled=False):
            predicted = point_sample(mask_logits.flatten(0, 1)[None].float(), points)[0]  # (L*N, P)
            wanted = point_sample(targets.masks[None, :, frame].float(), points)[0]  # (G, P)
            predictions = InstanceData(scores=class_logits.flatten(0, 1).float(), masks=predicted)
            instances = InstanceData(labels=targets.labels, masks=wanted)
            total = sum(cost(predictions, instances) for cost in self.match_costs)
        if not total.isfinite().all():
            logits = (('the class logits', class_logits), ('the mask logits', mask_logits))
            raise DivergenceError(first_not_finite(logits) or 'the cost of matching')
        return total.view(layers, queries, len(targets))

    @staticmethod
    def match(cost: Tensor, free: Tensor, born: Tensor) -> tuple[Tensor, Tensor]:
        """Return the queries and the instances that are matched, best sum first.

        Args:
            cost: (N, G), on the CPU.
            free: indices of the queries to choose from.
            born: indices of the instances to match.
        """
        if len(born) > len(free):
            warnings.warn(  # without the numbers of this clip: the same text is shown once
                f'more new instances in a clip than free ones among the {len(cost)} queries: the '
                'rest is not learned. Raise num_queries or shorten the clips.'
            )
        rows, columns = linear_sum_assignment(cost[free][:, born])
        return free[rows], born[columns]


@TASK_UTILS.register_module()
class UVLAAssigner(MaskMatcher):
    """Gives every instance one query from its first frame to the clip's end.

    Each layer of the decoder may match a newcomer to a query of its own, as the deep
    supervision of Mask2Former does. From the next frame on the last layer's choice holds for
    all layers, for the slot of a query is the identity of its instance (the paper, "Direct
    Query Decoding"). So a prediction never contradicts the label that the same slot had before.

    Invariants: a query has at most one owner in a clip, the last layer's owner never
    changes, a disappeared instance keeps its query and a returning one finds it again.
    (The published GenVIS lets a new instance take a disappeared one's query: see
    :class:`GenVISAssigner`.)

    Args:
        match_costs: see :class:`MaskMatcher`.
        num_points: see :class:`MaskMatcher`.
        shared_owners: False lets each layer keep its own owners for the whole clip. This
            is an ablation: the labels of one slot then contradict each other.
        births: whether ``each_layer`` matches the newcomers of a frame or the
            ``last_layer`` decides for all of them.

    Raises:
        ValueError: unknown `births`, or ``last_layer`` without shared owners.
    """

    def __init__(
        self,
        match_costs: Sequence[dict],
        num_points: int = 12544,
        shared_owners: bool = True,
        births: str = 'each_layer',
    ) -> None:
        super().__init__(match_costs, num_points)
        if births not in ('each_layer', 'last_layer'):
            raise ValueError(f"births={births!r}: give 'each_layer' or 'last_layer'")
        if births == 'last_layer' and not shared_owners:
            raise ValueError("births='last_layer' needs shared_owners=True")
        self.shared_owners = shared_owners
        self.births = births

    supervise_disappeared = False
    """Whether a disappeared instance's query learns an empty mask."""
    propagate_owned_only = False
    """Whether only owned queries' masks are propagated in training."""

    @torch.no_grad()
    def assign(
        self,
        class_logits: Tensor,
        mask_logits: Tensor,
        targets: ClipTargets,
        frame: int,
        owners: Tensor,
        first: int = 0,
    ) -> Tensor:
        """Return the owners of this frame: newcomers take free queries, best match first.

        Args:
            class_logits: (L, N, K + 1).
            mask_logits: (L, N, h, w).
            targets: of the whole clip.
            frame: index into the clip.
            owners: (L, N) of the frame before; not changed.
            first: index of the first prediction that is matched with newcomers; each layer
                is, where it keeps its own owners.
        """
        if self.shared_owners:
            owners = owners[-1:].expand_as(owners)
        else:
            first = 0
        present = targets.present[:, frame]
        owned = torch.stack([torch.isin(torch.arange(len(targets)).to(o), o) for o in owners])
        newcomers = (present & ~owned).cpu()  # (L, G)
        if not newcomers.any():
            return owners
        cost = self.cost(class_logits, mask_logits, targets, frame).cpu()
        updated = owners.to('cpu', copy=True)
        last = len(owners) - 1
        for layer in range(last if self.births == 'last_layer' else first, last + 1):
            born = newcomers[layer].nonzero().flatten()
            free = (updated[layer] == UNOWNED).nonzero().flatten()
            queries, instances = self.match(cost[layer], free, born)
            updated[layer, queries] = instances.to(updated)
        if self.births == 'last_layer':
            updated[first:] = updated[last]
        return updated.to(owners.device)

    def supervise(
        self, owners: Tensor, targets: ClipTargets, frame: int, num_classes: int
    ) -> FrameTargets:
        """Return the targets of a frame's predictions, given its owners.

        Args:
            owners: (L, N) after :meth:`assign` of this frame.
            targets: of the whole clip.
            frame: index into the clip.
            num_classes: K, also the label of "no object".
        """
        owned = owners != UNOWNED
        present = torch.zeros_like(owned)
        labels = torch.full_like(owners, num_classes)
        present[owned] = targets.present[owners[owned], frame]
        labels[present] = targets.labels[owners[present]]
        supervised = owned if self.supervise_disappeared else present
        keep = owned[-1] if self.propagate_owned_only else torch.ones_like(owned[-1])
        return FrameTargets(
            labels, owners.masked_fill(~supervised, UNOWNED), keep.to(torch.get_default_dtype())
        )


@TASK_UTILS.register_module()
class UVLAPlusPlusAssigner(UVLAAssigner):
    """UVLA++ (the paper, "Training"): made for mask propagation.

    It adds to UVLA that a disappeared instance's query learns an *empty mask*,
    and that only owned queries' masks are propagated in training.
    """

    supervise_disappeared = True
    propagate_owned_only = True

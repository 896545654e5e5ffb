"""The targets of a model for one clip."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class ClipTargets:
    """Ground truth of one clip; G instances, T frames, H x W the padded input.

    Attributes:
        labels: (G,) long, class of each instance.
        masks: (G, T, H, W) bool, empty where the instance is not seen.
        ids: (G,) long, id of each instance in its annotation file.
        generator: where the clip's random points come from; None: torch's own generator.
    """

    labels: Tensor
    masks: Tensor
    ids: Tensor
    generator: torch.Generator | None = field(default=None, repr=False, compare=False)

    @cached_property
    def present(self) -> Tensor:
        """(G, T) bool, whether an instance shows at least one pixel in a frame."""
        if self.masks.shape[0] == 0:  # flatten has no size to infer from nothing
            return self.masks.new_zeros(self.masks.shape[:2], dtype=torch.bool)
        return self.masks.flatten(2).any(-1)

    def frames(self) -> list[ClipTargets]:
        """Return each frame as a clip of its own, without the instances it does not show."""
        return [
            ClipTargets(
                self.labels[seen], self.masks[seen, t : t + 1], self.ids[seen], self.generator
            )
            for t, seen in enumerate(self.present.T)
        ]

    def resize(self, size: tuple[int, int]) -> ClipTargets:
        """Return the clip with masks of `size` (H, W), area-averaged and thresholded at 0.5."""
        if len(self) == 0:
            return replace(self, masks=self.masks.new_zeros((*self.masks.shape[:2], *size)))
        return replace(self, masks=F.interpolate(self.masks.float(), size, mode='area') >= 0.5)

    def __len__(self) -> int:
        return len(self.labels)

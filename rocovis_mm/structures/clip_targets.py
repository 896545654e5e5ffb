"""What a model is to learn from one clip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ClipTargets:
    """Ground truth of one clip; G instances, T frames, H x W the padded input.

    Attributes:
        labels: (G,) long, class of each instance.
        masks: (G, T, H, W) bool, empty where the instance is not seen.
        ids: (G,) long, id of each instance in its annotation file.
    """

    labels: Tensor
    masks: Tensor
    ids: Tensor

    @property
    def present(self) -> Tensor:
        """(G, T) bool, whether an instance shows at least one pixel in a frame."""
        if self.masks.shape[0] == 0:  # flatten has no size to infer from nothing
            return self.masks.new_zeros(self.masks.shape[:2], dtype=torch.bool)
        return self.masks.flatten(2).any(-1)

    def __len__(self) -> int:
        return len(self.labels)

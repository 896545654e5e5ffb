"""Losses of single pixels, for the map that mask features are made of.

F frames, G instances of a frame, K classes, C channels, h x w the map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.utils import reduce_mean
from mmengine.model import BaseModule
from torch import Tensor, nn

from rocovis_mm.models.losses.clip_loss import mean_count
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import ClipTargets


@MODELS.register_module()
class PixelLoss(BaseModule):
    """Each pixel learns the class and the centre of its instance.

    In Mask2Former a pixel learns through the queries that are matched with instances, and both
    begin at random. Here a convolution predicts from each pixel its class, or none, and the
    offset to the centroid of its instance (after Cheng et al., *Panoptic-DeepLab*, 2020). It is
    used in training alone.

    Args:
        in_channels: C.
        num_classes: K.
        class_weight: of the cross entropy of the pixels' classes.
        centre_weight: of the absolute error of the offsets, in eighths of the frame's sides.
        no_object_weight: weight of a pixel without an instance; the others weigh 1.
        init_cfg: as any MMEngine module.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        class_weight: float = 5.0,
        centre_weight: float = 1.0,
        no_object_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_classes = num_classes
        self.class_weight = class_weight
        self.centre_weight = centre_weight
        self.no_object_weight = no_object_weight
        self.predictor = nn.Conv2d(in_channels, num_classes + 3, 1)
        """K + 1 class logits, then the offset (y, x)."""

    def forward(self, pixels: Tensor, frames: Sequence[ClipTargets]) -> dict[str, Tensor]:
        """Return ``loss_pixel_cls`` and ``loss_pixel_centre``.

        Args:
            pixels: (F, C, h, w).
            frames: F targets of one frame each.
        """
        predicted = self.predictor(pixels).float()
        size = tuple(pixels.shape[-2:])
        labels, offsets = zip(*(pixel_targets(frame, size, self.num_classes) for frame in frames))
        labels, offsets = torch.stack(labels), torch.stack(offsets)
        weight = predicted.new_ones(self.num_classes + 1)
        weight[-1] = self.no_object_weight
        logits, found = predicted.split([self.num_classes + 1, 2], dim=1)
        class_sum = F.cross_entropy(logits, labels, weight, reduction='sum')
        inside = labels < self.num_classes
        error = 8 * (found - offsets).abs().sum(1)
        weights = reduce_mean(weight[labels].sum()).clamp(min=1e-6)
        return dict(
            loss_pixel_cls=self.class_weight * class_sum / weights,
            loss_pixel_centre=self.centre_weight
            * (error * inside).sum()
            / mean_count(inside.sum()),
        )


@torch.no_grad()
def pixel_targets(
    frame: ClipTargets, size: tuple[int, int], num_classes: int
) -> tuple[Tensor, Tensor]:
    """Return the label (h, w) and the offset (2, h, w) of each pixel of a map.

    A pixel belongs to the instance that covers more than half of it. Its label is K and its
    offset is zero if there is none. Offsets are (y, x), in shares of height and width, from the
    pixel's centre to the instance's centroid.

    Args:
        frame: G instances of one frame.
        size: (h, w) of the map.
        num_classes: K.
    """
    device = frame.labels.device
    if len(frame) == 0:
        nothing = torch.full(size, num_classes, device=device)
        return nothing, torch.zeros(2, *size, device=device)
    masks = frame.masks[:, 0].float()
    share, index = F.interpolate(masks[:, None], size, mode='area')[:, 0].max(0)
    inside = share > 0.5
    centroids = torch.stack(
        [
            masks.sum(axis) @ centres(side, device) / masks.sum((1, 2)).clamp(min=1)
            for axis, side in ((2, masks.shape[1]), (1, masks.shape[2]))
        ]
    )  # (2, G)
    places = torch.meshgrid(*(centres(side, device) for side in size), indexing='ij')
    labels = torch.where(inside, frame.labels[index], num_classes)
    return labels, (centroids[:, index] - torch.stack(places)) * inside


def centres(side: int, device: torch.device) -> Tensor:
    """Return the centres (side,) of the pixels along a side, as shares of it."""
    return (torch.arange(side, device=device) + 0.5) / side

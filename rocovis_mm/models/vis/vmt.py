"""VMT: video mask transfiner for high-quality video instance segmentation (Ke et al. 2022)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from rocovis_mm.models.vis.seqformer import SeqFormer
from rocovis_mm.registry import MODELS


@MODELS.register_module()
class VMT(SeqFormer):
    """SeqFormer whose masks are refined to stride 2.

    The backbone is a ResNet, whose first convolution is read too. The arguments are those of
    :class:`OfflineVISModel`; ``track_head`` is a :class:`VMTHead`.
    """

    def extract_features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the stem, the image at its resolution, and the backbone's maps."""
        stem = self.backbone.conv1(images)  # a small part of the backbone, worked out again
        small = F.interpolate(images, stem.shape[-2:])
        return (stem, small, *super().extract_features(images))

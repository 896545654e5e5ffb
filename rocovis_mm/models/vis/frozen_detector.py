"""Models whose frame detector can stay as it was loaded."""

from __future__ import annotations

import torch

from rocovis_mm.models.vis.base import OnlineVISModel


class FrozenDetectorModel(OnlineVISModel):
    """A model that tracks on top of a frame detector.

    Args:
        freeze_detector: keep backbone, neck, pixel decoder and query decoder as
            they are loaded; only the other parts learn.
        **kwargs: arguments of :class:`OnlineVISModel`.
    """

    def __init__(self, *, freeze_detector: bool = False, **kwargs) -> None:  # noqa: ANN003
        super().__init__(**kwargs)
        self.freeze_detector = freeze_detector
        if freeze_detector:
            for module in self.detector():
                module.requires_grad_(False)

    def detector(self) -> list[torch.nn.Module]:
        """Return the modules that see pixels."""
        head = self.track_head
        neck = [] if self.neck is None else [self.neck]
        return [self.backbone, *neck, head.pixel_decoder, head.query_decoder]

    def train(self, mode: bool = True) -> FrozenDetectorModel:
        """Set the mode. A frozen detector stays in test mode."""
        super().train(mode)
        if self.freeze_detector:
            for module in self.detector():
                module.eval()
        return self

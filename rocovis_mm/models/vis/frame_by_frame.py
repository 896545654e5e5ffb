"""Models that predict each frame by itself and link its queries afterwards."""

from __future__ import annotations

from rocovis_mm.models.vis.base import OnlineVISModel
from rocovis_mm.registry import TASK_UTILS
from rocovis_mm.streaming.identity_recorder import IdentityRule


class FrameByFrameModel(OnlineVISModel):
    """A model whose queries of a frame do not know those of the frame before.

    Args:
        associator: config of :class:`BankAssociator`, which gives each query of a frame an
            identity; None leaves the linking to the head.
        track_rule: fields of :class:`IdentityRule` with an associator, else of
            :class:`TrackRule`.
        **kwargs: further arguments of :class:`OnlineVISModel`.
    """

    def __init__(
        self,
        *,
        associator: dict | None = None,
        track_rule: dict | None = None,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(track_rule=track_rule if associator is None else None, **kwargs)
        self.associator = None
        if associator is not None:
            self.associator = TASK_UTILS.build(associator)
            ends_after = self.associator.dead_frames
            self.track_rule = IdentityRule(**{'ends_after': ends_after, **(track_rule or {})})

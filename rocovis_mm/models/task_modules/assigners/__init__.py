"""Label assignment over a clip."""

from rocovis_mm.models.task_modules.assigners.uvla import (
    UNOWNED,
    FrameTargets,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)

__all__ = ['UNOWNED', 'FrameTargets', 'UVLAAssigner', 'UVLAPlusPlusAssigner']

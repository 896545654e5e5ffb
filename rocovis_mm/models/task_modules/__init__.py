"""Parts that a head composes by config."""

from rocovis_mm.models.task_modules.assigners import (
    ClipGlobalAssigner,
    GenVISAssigner,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)

__all__ = ['ClipGlobalAssigner', 'GenVISAssigner', 'UVLAAssigner', 'UVLAPlusPlusAssigner']

"""Parts that a head composes by config."""

from rocovis_mm.models.task_modules.assigners import (
    DVISAssigner,
    GenVISAssigner,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)

__all__ = ['DVISAssigner', 'GenVISAssigner', 'UVLAAssigner', 'UVLAPlusPlusAssigner']

"""Parts that a head composes by config."""

from rocovis_mm.models.task_modules.assigners import (
    GenVISAssigner,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)

__all__ = ['GenVISAssigner', 'UVLAAssigner', 'UVLAPlusPlusAssigner']

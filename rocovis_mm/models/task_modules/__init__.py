"""Parts that a head composes by config."""

from rocovis_mm.models.task_modules.assigners import UVLAAssigner, UVLAPlusPlusAssigner

__all__ = ['UVLAAssigner', 'UVLAPlusPlusAssigner']

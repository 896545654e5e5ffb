"""Parts that a head composes by config."""

from rocovis_mm.models.task_modules.assigners import (
    ClipBoxAssigner,
    GenVISAssigner,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)
from rocovis_mm.models.task_modules.association import BankAssociator

__all__ = [
    'BankAssociator',
    'ClipBoxAssigner',
    'GenVISAssigner',
    'UVLAAssigner',
    'UVLAPlusPlusAssigner',
]

"""Parts that a head composes by config."""

from rocovis_mm.models.task_modules.assigners import (
    ClipGlobalAssigner,
    DVISAssigner,
    GenVISAssigner,
    SimOTAAssigner,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)
from rocovis_mm.models.task_modules.association import BankAssociator, IDOLAssociator

__all__ = [
    'BankAssociator',
    'ClipGlobalAssigner',
    'DVISAssigner',
    'GenVISAssigner',
    'IDOLAssociator',
    'SimOTAAssigner',
    'UVLAAssigner',
    'UVLAPlusPlusAssigner',
]

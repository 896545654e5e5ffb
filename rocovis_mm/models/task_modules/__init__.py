"""Parts that a head composes by config."""

from rocovis_mm.models.task_modules.assigners import (
    GenVISAssigner,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)
from rocovis_mm.models.task_modules.association import BankAssociator

__all__ = ['BankAssociator', 'GenVISAssigner', 'UVLAAssigner', 'UVLAPlusPlusAssigner']

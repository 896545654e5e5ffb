"""Label assignment over a clip."""

from rocovis_mm.models.task_modules.assigners.clip_global import ClipGlobalAssigner
from rocovis_mm.models.task_modules.assigners.dvis import DVISAssigner
from rocovis_mm.models.task_modules.assigners.genvis import UNSEEN, GenVISAssigner
from rocovis_mm.models.task_modules.assigners.sim_ota import SimOTAAssigner
from rocovis_mm.models.task_modules.assigners.uvla import (
    UNOWNED,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)

__all__ = [
    'UNOWNED',
    'UNSEEN',
    'DVISAssigner',
    'ClipGlobalAssigner',
    'GenVISAssigner',
    'SimOTAAssigner',
    'UVLAAssigner',
    'UVLAPlusPlusAssigner',
]

"""Everything that a config builds into a model."""

from rocovis_mm.models.data_preprocessors import ClipCopyPaste, VISDataPreprocessor
from rocovis_mm.models.layers import MaskPropagationPixelDecoder
from rocovis_mm.models.losses import ClipLoss
from rocovis_mm.models.task_modules import UVLAAssigner, UVLAPlusPlusAssigner
from rocovis_mm.models.tracking_heads import RoCoVISHead
from rocovis_mm.models.vis import OnlineVISModel, RoCoVIS

__all__ = [
    'ClipCopyPaste',
    'ClipLoss',
    'MaskPropagationPixelDecoder',
    'OnlineVISModel',
    'RoCoVIS',
    'RoCoVISHead',
    'UVLAAssigner',
    'UVLAPlusPlusAssigner',
    'VISDataPreprocessor',
]

"""Everything that a config builds into a model."""

from rocovis_mm.compat import checked  # noqa: F401
from rocovis_mm.models.backbones import EfficientNetLite
from rocovis_mm.models.data_preprocessors import ClipCopyPaste, VISDataPreprocessor
from rocovis_mm.models.layers import MaskPropagationPixelDecoder
from rocovis_mm.models.losses import (
    ClipLoss,
    DVISLoss,
    GenVISLoss,
    IDOLLoss,
    MemoryContrastiveLoss,
)
from rocovis_mm.models.necks import SimpleFeaturePyramid
from rocovis_mm.models.task_modules import (
    BankAssociator,
    ClipGlobalAssigner,
    DVISAssigner,
    GenVISAssigner,
    IDOLAssociator,
    SimOTAAssigner,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)
from rocovis_mm.models.tracking_heads import (
    CTVISHead,
    DVISHead,
    GenVISHead,
    IDOLHead,
    MinVISHead,
    RoCoVISHead,
    VidEoMTHead,
)
from rocovis_mm.models.vis import (
    CTVIS,
    DVIS,
    IDOL,
    GenVIS,
    MinVIS,
    OnlineVISModel,
    RoCoVIS,
    VidEoMT,
)

__all__ = [
    'BankAssociator',
    'CTVIS',
    'CTVISHead',
    'ClipCopyPaste',
    'ClipGlobalAssigner',
    'ClipLoss',
    'DVIS',
    'DVISAssigner',
    'DVISHead',
    'DVISLoss',
    'EfficientNetLite',
    'GenVIS',
    'GenVISAssigner',
    'GenVISHead',
    'GenVISLoss',
    'IDOL',
    'IDOLAssociator',
    'IDOLHead',
    'IDOLLoss',
    'MaskPropagationPixelDecoder',
    'MemoryContrastiveLoss',
    'MinVIS',
    'MinVISHead',
    'OnlineVISModel',
    'RoCoVIS',
    'RoCoVISHead',
    'SimOTAAssigner',
    'SimpleFeaturePyramid',
    'UVLAAssigner',
    'UVLAPlusPlusAssigner',
    'VISDataPreprocessor',
    'VidEoMT',
    'VidEoMTHead',
]

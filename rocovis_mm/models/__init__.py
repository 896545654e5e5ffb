"""Everything that a config builds into a model."""

from rocovis_mm.compat import checked  # noqa: F401
from rocovis_mm.models.backbones import EfficientNetLite
from rocovis_mm.models.data_preprocessors import ClipCopyPaste, VISDataPreprocessor
from rocovis_mm.models.layers import MaskPropagationPixelDecoder
from rocovis_mm.models.losses import (
    ClipLoss,
    GenVISLoss,
    IDOLLoss,
    MemoryContrastiveLoss,
    SeqFormerLoss,
)
from rocovis_mm.models.necks import SimpleFeaturePyramid
from rocovis_mm.models.task_modules import (
    BankAssociator,
    ClipBoxAssigner,
    ClipGlobalAssigner,
    GenVISAssigner,
    IDOLAssociator,
    SimOTAAssigner,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)
from rocovis_mm.models.tracking_heads import (
    CTVISHead,
    GenVISHead,
    IDOLHead,
    MinVISHead,
    RoCoVISHead,
    SeqFormerHead,
    VidEoMTHead,
    VMTHead,
)
from rocovis_mm.models.vis import (
    CTVIS,
    IDOL,
    VMT,
    GenVIS,
    MinVIS,
    OfflineVISModel,
    OnlineVISModel,
    RoCoVIS,
    SeqFormer,
    VidEoMT,
    VISModel,
)

__all__ = [
    'CTVIS',
    'VMT',
    'BankAssociator',
    'CTVISHead',
    'ClipBoxAssigner',
    'ClipCopyPaste',
    'ClipGlobalAssigner',
    'ClipLoss',
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
    'OfflineVISModel',
    'OnlineVISModel',
    'RoCoVIS',
    'RoCoVISHead',
    'SeqFormer',
    'SeqFormerHead',
    'SeqFormerLoss',
    'SimOTAAssigner',
    'SimpleFeaturePyramid',
    'UVLAAssigner',
    'UVLAPlusPlusAssigner',
    'VISDataPreprocessor',
    'VISModel',
    'VMTHead',
    'VidEoMT',
    'VidEoMTHead',
]

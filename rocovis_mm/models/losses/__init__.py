"""Losses over a clip."""

from rocovis_mm.models.losses.clip_loss import ClipLoss
from rocovis_mm.models.losses.dvis_loss import DVISLoss
from rocovis_mm.models.losses.genvis_loss import GenVISLoss
from rocovis_mm.models.losses.idol_loss import IDOLLoss
from rocovis_mm.models.losses.memory_contrastive_loss import MemoryContrastiveLoss
from rocovis_mm.models.losses.pixel_loss import PixelLoss
from rocovis_mm.models.losses.seqformer_loss import SeqFormerLoss

__all__ = [
    'ClipLoss',
    'DVISLoss',
    'GenVISLoss',
    'IDOLLoss',
    'MemoryContrastiveLoss',
    'PixelLoss',
    'SeqFormerLoss',
]

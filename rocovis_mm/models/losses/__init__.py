"""Losses over a clip."""

from rocovis_mm.models.losses.clip_loss import ClipLoss
from rocovis_mm.models.losses.dvis_loss import DVISLoss
from rocovis_mm.models.losses.genvis_loss import GenVISLoss
from rocovis_mm.models.losses.idol_loss import IDOLLoss
from rocovis_mm.models.losses.memory_contrastive_loss import MemoryContrastiveLoss

__all__ = ['ClipLoss', 'DVISLoss', 'GenVISLoss', 'IDOLLoss', 'MemoryContrastiveLoss']

"""Losses over a clip."""

from rocovis_mm.models.losses.clip_loss import ClipLoss

__all__ = ['ClipLoss']

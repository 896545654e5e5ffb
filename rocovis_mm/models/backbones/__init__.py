"""Backbones that come with weights from a package index."""

from rocovis_mm.models.backbones.efficientnet_lite import EfficientNetLite

__all__ = ['EfficientNetLite']

"""Heads: queries to classes, masks and identities."""

from rocovis_mm.models.tracking_heads.rocovis_head import RoCoVISHead

__all__ = ['RoCoVISHead']

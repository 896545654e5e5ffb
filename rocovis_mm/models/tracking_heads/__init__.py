"""Heads: queries to classes, masks and identities."""

from rocovis_mm.models.tracking_heads.ctvis_head import CTVISHead
from rocovis_mm.models.tracking_heads.dvis_head import DVISHead
from rocovis_mm.models.tracking_heads.genvis_head import GenVISHead
from rocovis_mm.models.tracking_heads.idol_head import IDOLHead
from rocovis_mm.models.tracking_heads.minvis_head import MinVISHead
from rocovis_mm.models.tracking_heads.rocovis_head import RoCoVISHead
from rocovis_mm.models.tracking_heads.videomt_head import VidEoMTHead

__all__ = [
    'CTVISHead',
    'DVISHead',
    'GenVISHead',
    'IDOLHead',
    'MinVISHead',
    'RoCoVISHead',
    'VidEoMTHead',
]

"""What a runner builds."""

from rocovis_mm.models.vis.base import OnlineVISModel
from rocovis_mm.models.vis.rocovis import RoCoVIS

__all__ = ['OnlineVISModel', 'RoCoVIS']

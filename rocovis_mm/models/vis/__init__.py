"""The models that a runner builds."""

from rocovis_mm.models.vis.base import OnlineVISModel
from rocovis_mm.models.vis.ctvis import CTVIS
from rocovis_mm.models.vis.dvis import DVIS
from rocovis_mm.models.vis.genvis import GenVIS
from rocovis_mm.models.vis.idol import IDOL
from rocovis_mm.models.vis.minvis import MinVIS
from rocovis_mm.models.vis.rocovis import RoCoVIS
from rocovis_mm.models.vis.videomt import VidEoMT

__all__ = ['CTVIS', 'DVIS', 'IDOL', 'GenVIS', 'MinVIS', 'OnlineVISModel', 'RoCoVIS', 'VidEoMT']

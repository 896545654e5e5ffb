"""Clips from videos, frames from files, data samples from frames."""

from rocovis_mm.datasets.transforms.color import ColorJitter
from rocovis_mm.datasets.transforms.fit_into import FitInto
from rocovis_mm.datasets.transforms.formatting import PackVISInputs
from rocovis_mm.datasets.transforms.geometry import AlignedResize
from rocovis_mm.datasets.transforms.loading import LoadVISAnnotations, LoadVISFrame
from rocovis_mm.datasets.transforms.pan_crop import PanCrop
from rocovis_mm.datasets.transforms.pseudo_clip import PseudoClip
from rocovis_mm.datasets.transforms.sample_clip import SampleClip

__all__ = [
    'AlignedResize',
    'ColorJitter',
    'FitInto',
    'LoadVISAnnotations',
    'LoadVISFrame',
    'PackVISInputs',
    'PanCrop',
    'PseudoClip',
    'SampleClip',
]

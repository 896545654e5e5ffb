"""Videos with instances: reading, sampling, transforming."""

from rocovis_mm.datasets.samplers import ClipSampler, VideoFrameSampler
from rocovis_mm.datasets.transforms import (
    AlignedResize,
    ColorJitter,
    LoadVISAnnotations,
    LoadVISFrame,
    PackVISInputs,
    PanCrop,
    SampleClip,
)
from rocovis_mm.datasets.vis_dataset import VISDataset

__all__ = [
    'AlignedResize',
    'ClipSampler',
    'ColorJitter',
    'LoadVISAnnotations',
    'LoadVISFrame',
    'PackVISInputs',
    'PanCrop',
    'SampleClip',
    'VISDataset',
    'VideoFrameSampler',
]

"""Videos and images with instances: reading, sampling, transforming."""

from rocovis_mm.compat import checked  # noqa: F401
from rocovis_mm.datasets.coco_pseudo_videos import COCOPseudoVideos
from rocovis_mm.datasets.joint_dataset import JointDataset
from rocovis_mm.datasets.samplers import ClipSampler, VideoFrameSampler
from rocovis_mm.datasets.transforms import (
    AlignedResize,
    ColorJitter,
    LoadVISAnnotations,
    LoadVISFrame,
    PackVISInputs,
    PanCrop,
    PseudoClip,
    SampleClip,
)
from rocovis_mm.datasets.vis_dataset import VISDataset

__all__ = [
    'AlignedResize',
    'COCOPseudoVideos',
    'ClipSampler',
    'ColorJitter',
    'JointDataset',
    'LoadVISAnnotations',
    'LoadVISFrame',
    'PackVISInputs',
    'PanCrop',
    'PseudoClip',
    'SampleClip',
    'VISDataset',
    'VideoFrameSampler',
]

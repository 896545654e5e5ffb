"""Samplers: the order of videos and frames on each rank."""

from rocovis_mm.datasets.samplers.clip_sampler import ClipSampler
from rocovis_mm.datasets.samplers.video_frame_sampler import VideoFrameSampler

__all__ = ['ClipSampler', 'VideoFrameSampler']

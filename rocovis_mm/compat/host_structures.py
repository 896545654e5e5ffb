"""The data sample of a video, of whichever host there is."""

from rocovis_mm.compat.dependencies import hosted_by_mmtrack

if hosted_by_mmtrack():
    from rocovis_mm.compat.mmtrack.structures import TrackDataSample
else:
    from mmdet.structures import TrackDataSample

__all__ = ['TrackDataSample']

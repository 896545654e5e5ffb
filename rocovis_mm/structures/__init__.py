"""What passes between the parts: frozen dataclasses with a shape on each field."""

from rocovis_mm.structures.video_tracks import RLE, VideoTracks

__all__ = ['RLE', 'VideoTracks']

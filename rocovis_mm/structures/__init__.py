"""The data that passes between the parts: frozen dataclasses with a shape on each field."""

from rocovis_mm.structures.aligned_queries import AlignedQueries
from rocovis_mm.structures.clip_prediction import ClipPrediction
from rocovis_mm.structures.clip_targets import ClipTargets
from rocovis_mm.structures.detection import Detection
from rocovis_mm.structures.frame_prediction import FramePrediction
from rocovis_mm.structures.frame_targets import FrameTargets
from rocovis_mm.structures.stream_state import MemoryFrame, QueryMemory, StreamState
from rocovis_mm.structures.track_bank import TrackBank
from rocovis_mm.structures.training_stage import TrainingStage
from rocovis_mm.structures.video_tracks import RLE, VideoTracks

__all__ = [
    'RLE',
    'AlignedQueries',
    'ClipPrediction',
    'ClipTargets',
    'Detection',
    'FramePrediction',
    'FrameTargets',
    'MemoryFrame',
    'QueryMemory',
    'StreamState',
    'TrackBank',
    'TrainingStage',
    'VideoTracks',
]

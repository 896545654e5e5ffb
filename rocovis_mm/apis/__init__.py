"""Models on videos, cameras and streams."""

from rocovis_mm.apis.frames import as_bgr
from rocovis_mm.apis.inferencer import RoCoVISInferencer, check_device
from rocovis_mm.apis.outputs import Outputs
from rocovis_mm.apis.results import FrameResult, VideoResult, write_json
from rocovis_mm.apis.results_log import ResultsLog, read_log, results_from_log
from rocovis_mm.apis.session import StreamSession
from rocovis_mm.apis.sources import Source, SourceLostError, open_source
from rocovis_mm.apis.video_run import VideoRun

__all__ = [
    'FrameResult',
    'Outputs',
    'ResultsLog',
    'RoCoVISInferencer',
    'Source',
    'SourceLostError',
    'StreamSession',
    'VideoResult',
    'VideoRun',
    'as_bgr',
    'check_device',
    'open_source',
    'read_log',
    'results_from_log',
    'write_json',
]

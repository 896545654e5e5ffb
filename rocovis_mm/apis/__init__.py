"""Models on videos, cameras and streams."""

from importlib import import_module
from typing import Any

HOMES = dict(
    FrameResult='streaming.results',
    Outputs='apis.outputs',
    ResultsLog='streaming.results_log',
    RoCoVISInferencer='apis.inferencer',
    Source='apis.sources',
    SourceLostError='apis.sources',
    StreamSession='streaming.session',
    VideoResult='streaming.results',
    VideoRun='apis.video_run',
    as_bgr='streaming.frames',
    check_device='apis.inferencer',
    open_source='apis.sources',
    read_log='streaming.results_log',
    results_from_log='streaming.results_log',
    write_json='streaming.results',
)
"""The module of each public name. A module is imported with its first name."""

__all__ = sorted(HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name from its module (PEP 562), so that a source needs no torch."""
    if name not in HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'rocovis_mm.{HOMES[name]}'), name)

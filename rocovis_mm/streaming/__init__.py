"""Streams of frames: what a video has been so far, its tracks and its results."""

from rocovis_mm.compat import checked  # noqa: F401

"""Streams of frames: their state, their tracks and their results."""

from rocovis_mm.compat import checked  # noqa: F401

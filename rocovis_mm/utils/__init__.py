"""Helpers of the command-line tools."""

from rocovis_mm.utils.config import load_config

__all__ = ['load_config']

"""The version of rocovis_mm and nothing else, so that setup.py can read it."""

__version__ = '0.1.0'

"""Overlays, contact sheets, curves, reports; the visualizer and hook that a runner builds."""

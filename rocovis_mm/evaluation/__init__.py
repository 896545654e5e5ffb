"""Metrics; importing this package registers them."""

from rocovis_mm.evaluation.metrics import APPool, TubeBoundaryAP, VideoAP, VISMetric

__all__ = ['APPool', 'TubeBoundaryAP', 'VISMetric', 'VideoAP']

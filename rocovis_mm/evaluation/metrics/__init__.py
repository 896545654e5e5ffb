"""Registered metrics: thin wrappers around `rocovis_mm.evaluation.functional`."""

from rocovis_mm.evaluation.metrics.vis_metric import APPool, TubeBoundaryAP, VideoAP, VISMetric

__all__ = ['APPool', 'TubeBoundaryAP', 'VISMetric', 'VideoAP']

"""The packages around rocovis_mm: their checks, placeholders and the MMTracking host.

The host is MMDetection >= 3.1, or MMTracking 1.0.0rc1 with MMDetection 3.0.0rc5. All other
modules import the names of ``host_structures`` and ``host_models`` and know no difference.
"""

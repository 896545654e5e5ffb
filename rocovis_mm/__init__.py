"""RoCoVIS and its metrics for MMDetection: robust, consistent online VIS."""

from rocovis_mm.compat.compiled_ops import stand_in_for_compiled_ops
from rocovis_mm.version import __version__

stand_in_for_compiled_ops()

__all__ = ['__version__']

"""RoCoVIS and its metrics for MMDetection: robust, consistent online VIS."""

from rocovis_mm.compat import check_dependencies, stand_in_for_compiled_ops
from rocovis_mm.version import __version__

check_dependencies()
stand_in_for_compiled_ops()

__all__ = ['__version__']

"""RoCoVIS and its metrics for MMDetection: robust, consistent online VIS."""

from rocovis_mm.compat import check_dependencies, prepare_environment
from rocovis_mm.version import __version__

check_dependencies()
prepare_environment()

__all__ = ['__version__']

"""Memory of this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # not a Unix
    resource = None

STATM = Path('/proc/self/statm')


def resident_bytes() -> int:
    """Return the bytes of main memory in use, or :func:`peak_bytes` where they are unknown."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
    return peak_bytes()


def peak_bytes() -> int:
    """Return the most bytes of main memory ever in use, 0 where they are unknown."""
    if resource is None:
        return 0
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

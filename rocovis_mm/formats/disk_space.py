"""Free space on a disk, checked while a file can still be closed whole."""

from __future__ import annotations

import errno
import io
import shutil
from pathlib import Path

try:
    import resource
except ImportError:  # not a Unix
    resource = None

RESERVE = 8 << 20
"""Bytes that are kept free, so that open files can be closed whole."""


def room_for(path: Path) -> float:
    """Return the number of bytes that a file may grow by, on the disk and for the process."""
    room = float(shutil.disk_usage(path.parent).free)
    if resource is not None:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY:
            room = min(room, limit - (path.stat().st_size if path.exists() else 0))
    return room


def check_room(path: Path, needed: float) -> None:
    """Check that a file can grow by `needed` bytes and leave `RESERVE` bytes free.

    Raises:
        OSError: it cannot (``ENOSPC``).
    """
    room = room_for(path)
    if room < needed + RESERVE:
        raise OSError(
            errno.ENOSPC,
            f'only {room / 2**20:.1f} MiB are left for writing; the file is closed whole, so make '
            'room or write elsewhere',
            str(path),
        )


def write_all(file: io.FileIO, content: bytes) -> None:
    """Write all of `content` to an unbuffered file, which may take it in several parts."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]

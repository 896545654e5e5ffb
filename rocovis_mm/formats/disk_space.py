"""How much more can be written, asked before it is too late to close a file whole."""

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
"""Bytes left free, so that what has been written can be closed, and more than one file."""


def room_for(path: Path) -> float:
    """Return how many bytes a file may still grow by: the disk's, and the process' limit."""
    room = float(shutil.disk_usage(path.parent).free)
    if resource is not None:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY:
            room = min(room, limit - (path.stat().st_size if path.exists() else 0))
    return room


def check_room(path: Path, needed: float) -> None:
    """Check that a file can grow by `needed` bytes and leave a reserve beyond them.

    Raises:
        OSError: it cannot (``ENOSPC``).
    """
    room = room_for(path)
    if room < needed + RESERVE:
        raise OSError(
            errno.ENOSPC,
            f'only {room / 2**20:.1f} MiB are left to write in; what is there so far is closed '
            'whole: make room, or write elsewhere',
            str(path),
        )


def write_all(file: io.FileIO, content: bytes) -> None:
    """Write all of `content` to an unbuffered file; a full disk may take a part of it first."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]

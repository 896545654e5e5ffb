"""Files that appear whole or not at all, as they are written beside their place and moved there."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class FileExistsOtherwise(ValueError):
    """An output file is there already and holds something else."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f'{path}: exists and holds something else; --overwrite replaces it, or choose another '
            'output'
        )


@contextmanager
def whole_file(path: str | Path, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Give a stream whose content takes the place of `path` once it is complete.

    A file that is already there with the same content is left as it is.

    Args:
        path: of the file; missing folders are made.
        overwrite: whether a file with another content is replaced.

    Raises:
        FileExistsOtherwise: it may not be replaced.
    """
    path = Path(path)
    with _place_beside(path) as temporary:
        with temporary.open('wb') as stream:
            yield stream
        if path.exists() and filecmp.cmp(path, temporary, shallow=False):
            return
        if path.exists() and not overwrite:
            raise FileExistsOtherwise(path)
        os.replace(temporary, path)


def write_whole(
    path: str | Path,
    write: Callable[[BinaryIO], object],
    rename: Callable[[Path], Path] | None = None,
) -> Path:
    """Write a file beside its place, force it onto the disk and move it to its place.

    Args:
        path: where it goes; missing folders are made.
        write: given the opened file.
        rename: given the complete file, returns where it goes in place of `path`.

    Returns:
        Where it went.
    """
    path = Path(path)
    with _place_beside(path) as temporary:
        with temporary.open('wb') as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        path = rename(temporary) if rename else path
        os.replace(temporary, path)
        sync_folder(path.parent)
    return path


def sync_folder(folder: Path) -> None:
    """Force the names in a folder onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _place_beside(path: Path) -> Iterator[Path]:
    """Give a path in the folder of `path`; a file that is left there at the end is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)

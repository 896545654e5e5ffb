"""Files that appear whole or not at all: written to a temporary name and renamed at the end."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO


class FileExistsOtherwise(ValueError):
    """An output file exists and has another content."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f'{path}: exists with another content; --overwrite replaces it, or choose another '
            'output'
        )


@contextmanager
def whole_file(path: str | Path, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Give a stream whose content becomes the file `path` when it is complete.

    An existing file with the same content is left as it is. Missing folders are created.

    Raises:
        FileExistsOtherwise: there is a file with another content and `overwrite` is False.
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
    """Write a file under a temporary name, force it onto the disk and rename it.

    Args:
        path: of the file; missing folders are created.
        write: called with the open file.
        rename: called with the complete file; returns a path to use in place of `path`.

    Returns:
        Path of the file.
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


@contextmanager
def whole_with_companions(path: str | Path) -> Iterator[Path]:
    """Give a path of the same name in a new folder; what is written there moves beside `path`.

    For writers that take a path and may add files, such as the weights of an .xml file. The
    named file moves last. Nothing moves where the body fails. Missing folders are created.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as folder:
        temporary = Path(folder, path.name)
        yield temporary
        for written in sorted(Path(folder).iterdir(), key=temporary.__eq__):
            os.replace(written, path.with_name(written.name))


def sync_folder(folder: Path) -> None:
    """Force the names in a folder onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _place_beside(path: Path) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`, and remove a file that is left there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)

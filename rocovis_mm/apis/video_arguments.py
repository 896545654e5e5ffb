"""Checks of the arguments of a run over a video, before torch and the model are loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.apis.sources import ImageFiles, open_source
from rocovis_mm.formats.frame_files import IMAGE_ENDINGS, natural_order
from rocovis_mm.visualization.media import FolderWriter, writer_class


def chosen_video(inputs: Sequence[str]) -> str | list[str]:
    """Return the video that a command line names. Several image files are in natural order."""
    return inputs[0] if len(inputs) == 1 else sorted(inputs, key=natural_order)


def check_video(video: str | list[str]) -> list[Path]:
    """Check that a video can be opened, and return its files; none for cameras and URLs.

    Raises:
        FileNotFoundError: there is no such file, folder or match.
        ValueError: it is damaged, empty or no video.
    """
    is_text = isinstance(video, str)
    if is_text and ('://' in video or (video.isdigit() and not Path(video).exists())):
        return []
    source = open_source(video)
    source.close()
    return source.paths if isinstance(source, ImageFiles) else [Path(source.name)]


def check_exists(path: str | Path, what: str) -> None:
    """Raise FileNotFoundError where a file is missing. Addresses are not checked."""
    if '://' not in str(path) and not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such {what}')


def check_drawing(path: str | Path, inputs: Sequence[Path]) -> None:
    """Check that drawn frames can be written to a path.

    Args:
        path: as :func:`rocovis_mm.visualization.media.open_writer` takes it.
        inputs: files that must stay as they are.

    Raises:
        ValueError: it has an ending that nothing here writes, or is an input.
        OSError: nothing can be written there.
    """
    if writer_class(path) is not FolderWriter:
        check_file(path, inputs)
    else:
        is_pattern = Path(path).suffix and not Path(path).is_dir()
        check_folder(Path(path).parent if is_pattern else path, inputs)


def check_file(path: str | Path, inputs: Sequence[Path]) -> None:
    """Check that a file can be written without a change of the inputs.

    Raises:
        ValueError: it is an input.
        OSError: nothing can be written there.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f'{path}: is a folder; give the name of a file')
    if path.exists() and any(path.samefile(each) for each in inputs):
        raise ValueError(f'{path}: is the input, which would be overwritten; give another name')
    check_writable(path.parent)


def check_folder(path: str | Path, inputs: Sequence[Path]) -> None:
    """Check that images can be written to a folder without a change of the inputs.

    Raises:
        ValueError: it contains images of the input.
        OSError: nothing can be written there.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f'{path}: is a file; give the name of a folder')
    images = [each for each in inputs if each.suffix.lower() in IMAGE_ENDINGS]
    if path.exists() and any(path.samefile(each.parent) for each in images):
        raise ValueError(
            f"{path}: holds the input's images, which could be overwritten; give another folder"
        )
    check_writable(path)


def check_writable(folder: Path) -> None:
    """Raise OSError where neither a folder nor files in it can be made."""
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(f'{folder}: is a file; give a folder that can be written to')
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f'{folder}: nothing can be written there; give another folder')

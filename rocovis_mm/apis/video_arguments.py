"""What can be said of the arguments of a run over a video before torch and the model are loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.apis.sources import ImageFiles, open_source
from rocovis_mm.formats.frame_files import IMAGE_ENDINGS, natural_order
from rocovis_mm.visualization.media import FolderWriter, writer_class


def chosen_video(inputs: Sequence[str]) -> str | list[str]:
    """Return the video that a command line names.

    Args:
        inputs: one at least. Several are image files, such as a shell makes of ``frames/*.jpg``;
            they are brought into natural order.
    """
    if len(inputs) == 1:
        return inputs[0]
    return sorted(inputs, key=natural_order)


def check_video(video: str | list[str]) -> list[Path]:
    """Check that a video is there and can be opened; cameras and URLs are left alone.

    Returns:
        its files.

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
    """Check that a file is there; addresses are left alone.

    Raises:
        FileNotFoundError: it is missing.
    """
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
    elif Path(path).suffix == '' or Path(path).is_dir():
        check_folder(path, inputs)
    else:
        check_folder(Path(path).parent, inputs)


def check_file(path: str | Path, inputs: Sequence[Path]) -> None:
    """Check that a file can be written.

    Args:
        path: of the file.
        inputs: files that must stay as they are.

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
    """Check that a folder can be written to.

    Args:
        path: of the folder.
        inputs: files that must stay as they are.

    Raises:
        ValueError: it holds images of the input.
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
    """Check that files can be made in a folder, or the folder itself.

    Raises:
        OSError: they cannot.
    """
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(f'{folder}: is a file; give a folder that can be written to')
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f'{folder}: nothing can be written there; give another folder')

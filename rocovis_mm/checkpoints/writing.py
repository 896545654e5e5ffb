"""Writes checkpoint files whole or not at all."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor


def write_whole(
    path: str | Path,
    write: Callable[[BinaryIO], None],
    rename: Callable[[Path], Path] | None = None,
) -> Path:
    """Write a file beside its place and move it there once it is complete.

    Args:
        path: where it goes; folders are made.
        write: given the opened file.
        rename: given the complete file, returns where it goes in place of `path`.

    Returns:
        where it went.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        path = rename(Path(name)) if rename else path
        os.replace(name, path)
        sync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def sync_folder(folder: Path) -> None:
    """Force the names in a folder onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_checkpoint(checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """Write a checkpoint: arrays in a pickle where the name ends in .pkl, else torch's form."""
    if Path(path).suffix == '.pkl':
        model = checkpoint['model']
        arrays = model.__class__((key, as_array(tensor)) for key, tensor in model.items())
        arrays.__dict__.update(model.__dict__)  # the versions of the modules
        content = {**checkpoint, 'model': arrays}
        write_whole(path, lambda file: pickle.dump(content, file, protocol=4))
    else:
        write_whole(path, lambda file: torch.save(dict(checkpoint), file))


def as_array(tensor: Tensor) -> Any:
    """Return a tensor's numbers as a numpy array.

    Raises:
        ValueError: numpy has no such numbers.
    """
    if tensor.dtype == torch.bfloat16:
        raise ValueError('numpy has no bfloat16: write a .pth file in place of a .pkl')
    return tensor.detach().cpu().contiguous().numpy()

"""Writes checkpoint files."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rocovis_mm.formats.whole_files import write_whole


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

"""Weights of the published Detectron2 models, made by the rule of the shared fixtures."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = 'fixtures/detectron2'
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def weight(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return the tensor that the rule makes of a name and a shape."""
    if name.endswith('empty_weight'):
        return torch.cat([torch.ones(shape[0] - 1), torch.tensor([0.1])])
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    r = torch.randn(shape, generator=generator)
    if name.endswith('running_var'):
        return 1 + 0.1 * r.abs()
    if name.endswith('running_mean'):
        return 0.1 * r
    if len(shape) <= 1:
        return 1 + 0.1 * r if name.endswith('weight') else 0.1 * r
    return r / math.sqrt(math.prod(shape[1:]))


def weights(name: str, shared_dir: Path) -> dict[str, Tensor]:
    """Return the state dict of 'mask2former', 'minvis' or 'genvis'."""
    keys = json.loads((shared_dir / FOLDER / f'{name}.json').read_text())['keys']
    return {key: weight(key, tuple(shape)) for key, shape in keys.items()}


def outputs(name: str, shared_dir: Path) -> dict[str, Tensor]:
    """Return the input frames and what the published code made of them."""
    with np.load(shared_dir / FOLDER / f'{name}.npz') as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


def normalized(frames: Tensor) -> Tensor:
    """Return frames (T, 3, H, W), RGB in 0 to 255, as the models read them."""
    return (frames - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)

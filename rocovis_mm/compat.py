"""What rocovis_mm needs of its surroundings, checked and made ready at import.

Three facts make this module necessary (all of them seen, none guessed):

* ``mmcv-lite`` has no compiled extension, and ``import mmdet.models`` fails for
  want of ``mmcv._ext`` although nothing here calls it (mmdet 3.3.0,
  ``models/layers/bbox_nms.py:5`` imports ``mmcv.ops``).
* ``mmcv.ops.MultiScaleDeformableAttention`` chooses its compiled kernel by the
  device of the tensor, not by whether the kernel is there.
* torch >= 2.6 loads with ``weights_only=True`` and refuses the message hub that
  mmengine stores in every checkpoint.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import NoReturn

from packaging.version import Version

# import name: (accepted distributions, lowest, first one no longer accepted, how to install)
REQUIREMENTS = {
    'torch': (('torch',), '2.0', None, "pip install 'torch>=2.0'"),
    'mmengine': (
        ('mmengine', 'mmengine-lite', 'onedl-mmengine'),
        '0.10.0',
        '0.11.0',
        "pip install 'mmengine>=0.10,<0.11'",
    ),
    'mmcv': (
        ('mmcv', 'mmcv-lite', 'onedl-mmcv'),
        '2.0.0',
        None,
        "pip install 'mmcv-lite>=2.0,<2.2' (or the full mmcv for its CUDA kernels)",
    ),
    'mmdet': (
        ('mmdet', 'onedl-mmdetection'),
        '3.0.0rc5',
        None,
        "pip install 'mmdet>=3.1,<3.4'",
    ),
}
# The maintained forks count on; upstream stops before these.
UPSTREAM_BELOW = {'mmcv': '2.2.0', 'mmcv-lite': '2.2.0', 'mmdet': '3.4.0'}


def find_distribution(names: tuple[str, ...]) -> tuple[str, Version] | None:
    """Return the first installed distribution of `names` and its version."""
    for name in names:
        try:
            return name, Version(version(name))
        except PackageNotFoundError:
            continue
    return None


def check_dependencies() -> None:
    """Check that every package rocovis_mm stands on is there and in range.

    Raises:
        ImportError: names the package, the version found, the range accepted
            and the command that mends it.
    """
    for module, (names, lowest, below, remedy) in REQUIREMENTS.items():
        found = find_distribution(names)
        if found is None:
            if importlib.util.find_spec(module) is not None:
                continue  # built from source without metadata: trust its owner
            raise ImportError(f'rocovis_mm needs {module}, which is not installed. Run: {remedy}')
        name, installed = found
        below = UPSTREAM_BELOW.get(name, below)
        if installed < Version(lowest) or (below and installed >= Version(below)):
            wanted = f'>={lowest}' + (f',<{below}' if below else '')
            raise ImportError(
                f'rocovis_mm needs {name}{wanted}, but {installed} is installed. Run: {remedy}'
            )


class MissingExtension(ModuleType):
    """Stands for ``mmcv._ext`` where mmcv was installed without compiled ops.

    Every attribute is a function that raises when called, never before: mmcv
    looks its ops up by name at import (``mmcv/utils/ext_loader.py:12``).
    """

    def __getattr__(self, name: str) -> object:
        """Return a placeholder op called `name`."""
        if name.startswith('__'):
            raise AttributeError(name)

        def placeholder(*args: object, **kwargs: object) -> NoReturn:
            raise RuntimeError(
                f'the compiled op mmcv.ops.{name} was called, but mmcv is installed without '
                'compiled ops (mmcv-lite). RoCoVIS itself does not need it; for a model that '
                'does, install the full mmcv: pip uninstall mmcv-lite && pip install mmcv'
            )

        return placeholder


def has_compiled_ops() -> bool:
    """Whether the real extension of mmcv can be imported."""
    return not isinstance(importlib.import_module('mmcv._ext'), MissingExtension)


def stand_in_for_compiled_ops() -> None:
    """Let ``mmcv.ops`` be imported where its extension is missing, and only there."""
    if 'mmcv._ext' in sys.modules or importlib.util.find_spec('mmcv._ext') is not None:
        return
    sys.modules['mmcv._ext'] = MissingExtension('mmcv._ext')
    deformable = importlib.import_module('mmcv.ops.multi_scale_deform_attn')

    class PyTorchDeformableAttention:
        """Takes the place of the CUDA function; same arguments, PyTorch inside."""

        @staticmethod
        def apply(value, shapes, level_start, locations, weights, im2col_step):  # noqa: ANN001, ANN205
            return deformable.multi_scale_deformable_attn_pytorch(
                value, shapes, locations, weights
            )

    deformable.MultiScaleDeformableAttnFunction = PyTorchDeformableAttention


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` rebuild mmengine's message hub.

    Exactly the classes that mmengine 0.10 writes are allow-listed: its
    ``HistoryBuffer`` and the numpy scalars and arrays inside it. A checkpoint
    that holds anything else is still refused.
    """
    import numpy as np
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    if not hasattr(torch.serialization, 'add_safe_globals'):
        return  # torch < 2.4 has no allow-list, and loads as it always did
    core = importlib.import_module('numpy._core.multiarray' if hasattr(np, '_core')
                                   else 'numpy.core.multiarray')
    scalars = (np.float64, np.float32, np.int64, np.int32, np.bool_)
    # numpy 1 and 2 name the module of these two differently; a checkpoint may come from either
    renamed = [(getattr(core, name), f'{package}.multiarray.{name}')
               for package in ('numpy._core', 'numpy.core')
               for name in ('_reconstruct', 'scalar')]
    torch.serialization.add_safe_globals([
        HistoryBuffer, np.ndarray, np.dtype, getattr, *renamed,
        *{type(np.dtype(scalar)) for scalar in scalars},
    ])


def prepare_environment() -> None:
    """Make the surroundings ready; called once by ``import rocovis_mm``."""
    stand_in_for_compiled_ops()
    allow_mmengine_checkpoints()

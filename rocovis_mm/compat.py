"""What rocovis_mm needs of its surroundings: checked, and made ready.

Three facts make this module necessary (all of them seen, none guessed):

* ``mmcv-lite`` has no compiled extension, and ``import mmdet.models`` fails for
  want of ``mmcv._ext`` although nothing here calls it (mmdet 3.3.0,
  ``models/layers/bbox_nms.py:5`` imports ``mmcv.ops``).
* ``mmcv.ops.MultiScaleDeformableAttention`` chooses its compiled kernel by the
  device of the tensor, not by whether the kernel is there (mmcv 2.1.0,
  ``ops/multi_scale_deform_attn.py:366``).
* torch >= 2.6 loads with ``weights_only=True`` and refuses the message hub that
  mmengine stores in every checkpoint (mmengine 0.10.7, ``runner/checkpoint.py:347``
  calls ``torch.load`` without that argument).

``import rocovis_mm`` runs `check_dependencies` and `stand_in_for_compiled_ops`, which
import neither torch nor mmcv; ``rocovis_mm.registry``, which every way of building
a part goes through, runs `prepare_torch`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from pickle import UnpicklingError
from types import ModuleType
from typing import Any, NoReturn

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
        '3.1.0',
        None,
        "pip install 'mmdet>=3.1,<3.4'",
    ),
}
# The maintained forks count on; upstream stops before these.
UPSTREAM_BELOW = {'mmcv': '2.2.0', 'mmcv-lite': '2.2.0', 'mmdet': '3.4.0'}
# What MMTracking 1.0.0rc1 asks for (mmtrack/__init__.py:10) as far as it was seen to work:
# lowest, first one no longer accepted. Allowed where mmtrack is installed.
MMTRACK_RANGES = {
    'mmcv': ('2.0.0rc4', '2.0.0'),
    'mmcv-lite': ('2.0.0rc4', '2.0.0'),
    'mmdet': ('3.0.0rc5', '3.0.0rc6'),
}
EXTENSION = 'mmcv._ext'


def find_distributions(names: Sequence[str]) -> dict[str, Version]:
    """Return the installed distributions among `names` with their versions."""
    found = {}
    for name in names:
        try:
            found[name] = Version(version(name))
        except PackageNotFoundError:
            continue
    return found


def in_mmtrack_range(name: str, installed: Version) -> bool:
    """Whether MMTracking is installed, and this is a version that it works with."""
    lowest, below = MMTRACK_RANGES.get(name, ('0', '0'))
    if not Version(lowest) <= installed < Version(below):
        return False
    mmtrack = find_distributions(['mmtrack']).get('mmtrack')
    return mmtrack is not None and mmtrack >= Version('1.0.0rc1')


def hosted_by_mmtrack() -> bool:
    """Whether MMDetection here is the one that MMTracking 1.0.0rc1 stands on.

    It has neither the base class nor the data samples of videos: ``rocovis_mm.hosts``
    gives them.
    """
    mmdet = find_distributions(['mmdet']).get('mmdet')
    return mmdet is not None and in_mmtrack_range('mmdet', mmdet)


def check_dependencies() -> None:
    """Check that every package rocovis_mm stands on is there and in range.

    Older versions of MMDetection and mmcv are accepted beside the MMTracking that needs
    them, see ``MMTRACK_RANGES``.

    Raises:
        ImportError: names the package, the version found, the range accepted
            and the command that mends it.

    Warns:
        UserWarning: where two distributions that write the same files are
            installed together (say mmcv and mmcv-lite).
    """
    for module, (names, lowest, below, remedy) in REQUIREMENTS.items():
        found = find_distributions(names)
        if not found and importlib.util.find_spec(module) is None:
            raise ImportError(f'rocovis_mm needs {module}, which is not installed. Run: {remedy}')
        if len(found) > 1:
            warnings.warn(
                f'{" and ".join(found)} are installed together and overwrite each other as the '
                f'package {module}; uninstall them all, then install one'
            )
        for name, installed in found.items():  # none where built from source without metadata
            limit = UPSTREAM_BELOW.get(name, below)
            too_old = installed < Version(lowest) and not in_mmtrack_range(name, installed)
            if too_old or (limit and installed >= Version(limit)):
                wanted = f'>={lowest}' + (f',<{limit}' if limit else '')
                raise ImportError(
                    f'rocovis_mm needs {name}{wanted}, but {installed} is installed. Run: {remedy}'
                )
    check_mmcv_of_mmdet()


def check_mmcv_of_mmdet() -> None:
    """Check the pairs within the ranges that do not go together.

    Upstream's MMDetection asserts on import ``mmcv < 2.1.0`` in 3.1 and ``mmcv < 2.2.0`` in 3.2
    and 3.3 (``mmdet/__init__.py:8``), whichever distribution brings it. onedl-mmdetection takes
    any.

    Raises:
        ImportError: names both versions and the commands to choose from.
    """
    mmdet = find_distributions(['mmdet']).get('mmdet')
    if mmdet is None or mmdet < Version('3.1.0'):
        return
    limit = '2.1.0' if mmdet < Version('3.2.0') else '2.2.0'
    for name, installed in find_distributions(['mmcv', 'mmcv-lite', 'onedl-mmcv']).items():
        if installed < Version(limit):
            continue
        remedy = f"pip install 'mmdet>=3.2,<3.4', or pip install '{name}<2.1'"
        if name == 'onedl-mmcv':
            remedy = 'pip uninstall mmdet && pip install onedl-mmdetection'
        raise ImportError(
            f'mmdet {mmdet} works with mmcv<{limit}, but {name} {installed} is installed. '
            f'Run: {remedy}'
        )


class MissingExtension(ModuleType):
    """Stands for ``mmcv._ext`` where mmcv was installed without compiled ops.

    Every attribute is a function that raises when called, never before: mmcv
    looks its ops up by name at import (``mmcv/utils/ext_loader.py:12``).
    """

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        """Return a placeholder op called `name`."""
        if name.startswith('__'):
            raise AttributeError(name)

        def placeholder(*args: object, **kwargs: object) -> NoReturn:
            raise RuntimeError(
                f'the compiled op {name} of mmcv was called, but mmcv is installed without '
                'compiled ops (mmcv-lite). RoCoVIS itself does not need it; for a model that '
                'does, install the full mmcv: pip uninstall mmcv-lite && pip install mmcv'
            )

        return placeholder


class MissingExtensionFinder(MetaPathFinder, Loader):
    """Finds `MissingExtension` where nobody else finds ``mmcv._ext``.

    It stands last on ``sys.meta_path``: a real extension is always found first,
    and nothing is imported before mmcv itself asks.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for ``mmcv._ext`` alone."""
        return ModuleSpec(fullname, self) if fullname == EXTENSION else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the placeholder module."""
        return MissingExtension(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def stand_in_for_compiled_ops() -> None:
    """Let ``mmcv.ops`` be imported where its extension is missing, and only there."""
    if not any(isinstance(finder, MissingExtensionFinder) for finder in sys.meta_path):
        sys.meta_path.append(MissingExtensionFinder())


def has_compiled_ops() -> bool:
    """Whether mmcv has its real extension. Imports mmcv."""
    return not isinstance(importlib.import_module(EXTENSION), MissingExtension)


def use_pytorch_deformable_attention() -> None:
    """Let deformable attention run on CUDA where mmcv has no kernel for it."""
    if has_compiled_ops():
        return
    deformable = importlib.import_module('mmcv.ops.multi_scale_deform_attn')

    class PyTorchDeformableAttention:
        """Takes the place of the CUDA function; same arguments, PyTorch inside."""

        @staticmethod
        def apply(value, shapes, level_start, locations, weights, im2col_step):  # noqa: ANN001, ANN205
            return deformable.multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)

    deformable.MultiScaleDeformableAttnFunction = PyTorchDeformableAttention


def _known_as(path: str) -> Callable[[Callable], Callable]:
    """Give a function the name under which a pickle asks for it."""

    def rename(function: Callable) -> Callable:
        function.__module__, _, function.__qualname__ = path.rpartition('.')
        function.__name__ = function.__qualname__
        return function

    return rename


def checkpoint_globals() -> list[Any]:
    """What a checkpoint of mmengine 0.10 names beside torch's own classes.

    Read off the pickles that its runner wrote: ``HistoryBuffer``; ``getattr``,
    which stands there only as ``getattr(HistoryBuffer, 'mean')`` and is
    therefore answered by a function that gives nothing else; and numpy arrays
    and scalars of plain numbers.
    """
    import numpy as np
    from mmengine.logging.history_buffer import HistoryBuffer

    @_known_as('builtins.getattr')
    def history_statistic(owner: type, name: str) -> Callable:
        if owner is not HistoryBuffer or name not in ('min', 'max', 'mean', 'current'):
            raise UnpicklingError(
                f'the checkpoint asks for attribute {name!r} of {owner!r}: refused'
            )
        return getattr(owner, name)

    try:
        core = importlib.import_module('numpy._core.multiarray')
    except ImportError:
        core = importlib.import_module('numpy.core.multiarray')
    allowed = [HistoryBuffer, history_statistic, np.ndarray, np.dtype]
    allowed += [type(np.dtype(name)) for name in ('f8', 'f4', 'i8', 'i4', '?')]
    for package in ('numpy._core', 'numpy.core'):  # as numpy 2 and numpy 1 write them

        @_known_as(f'{package}.multiarray._reconstruct')
        def empty_array(subtype: type, shape: tuple, typecode: bytes) -> np.ndarray:
            return core._reconstruct(subtype, shape, typecode)

        @_known_as(f'{package}.multiarray.scalar')
        def plain_number(dtype: np.dtype, data: bytes) -> np.generic:
            if dtype.kind not in 'biuf':
                raise UnpicklingError(
                    f'the checkpoint holds a numpy scalar of type {dtype}: refused'
                )
            return core.scalar(dtype, data)

        allowed += [empty_array, plain_number]
    return allowed


def allow_mmengine_checkpoints() -> None:
    """Let ``torch.load(weights_only=True)`` rebuild mmengine's message hub.

    Exactly what mmengine 0.10 writes is allow-listed, see `checkpoint_globals`;
    a checkpoint that names anything else is still refused. torch 2.4 and 2.5
    have the list but load unrestricted unless told otherwise, older ones have
    no list, and onedl-mmengine 0.10.12 loads unrestricted what it may not load
    restricted (``runner/checkpoint.py:86``): there, load only checkpoints you
    trust. ``read_checkpoint`` is restricted everywhere.
    """
    import torch

    if hasattr(torch.serialization, 'add_safe_globals'):
        torch.serialization.add_safe_globals(checkpoint_globals())


def announce_configs() -> None:
    """Let MMEngine look up configs called ``rocovis_mm::...``.

    MMEngine looks only into packages on a list (mmengine 0.10.7, ``config/utils.py:17``) of module
    -> distribution. It takes the configs from the folder of the distribution's metadata
    (``utils/package_utils.py:72``), and an editable installation has no module there. A name that
    is no distribution is imported, and the configs are taken from the folder of its file.
    """
    packages = importlib.import_module('mmengine.config.utils').MODULE2PACKAGE
    packages['rocovis_mm'] = 'rocovis_mm.registry'


def prepare_torch() -> None:
    """Make torch, mmcv and mmengine ready; called once by ``rocovis_mm.registry``."""
    use_pytorch_deformable_attention()
    allow_mmengine_checkpoints()
    announce_configs()

"""MMEngine's checkpoints under torch's restricted loading.

torch >= 2.6 loads with ``weights_only=True`` and refuses the message hub that
mmengine stores in every checkpoint (mmengine 0.10.7, ``runner/checkpoint.py:347``
calls ``torch.load`` without that argument).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any


def _known_as(path: str) -> Callable[[Callable], Callable]:
    """Give a function the name under which a pickle asks for it."""

    def rename(function: Callable) -> Callable:
        function.__module__, _, function.__qualname__ = path.rpartition('.')
        function.__name__ = function.__qualname__
        return function

    return rename


def checkpoint_globals() -> list[Any]:
    """Return the globals that a checkpoint of mmengine 0.10 names beside torch's own classes.

    They are read off the pickles that its runner wrote: ``HistoryBuffer``, ``getattr``, and
    numpy arrays and scalars of plain numbers. The pickles contain ``getattr`` only as
    ``getattr(HistoryBuffer, 'mean')``, so a function that returns nothing else replaces it.
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

    Only the globals that mmengine 0.10 writes are allowed, see `checkpoint_globals`. A
    checkpoint that names anything else is still refused. torch 2.4 and 2.5 have the list but
    load unrestricted by default, and older ones have no list. onedl-mmengine 0.10.12 loads
    unrestricted after a refusal (``runner/checkpoint.py:86``). There, load only checkpoints
    that you trust. ``read_checkpoint`` is restricted everywhere.
    """
    import torch

    if hasattr(torch.serialization, 'add_safe_globals'):
        torch.serialization.add_safe_globals(checkpoint_globals())

"""Reads a pickle of arrays without letting it call anything else.

A pickle is a program: it names functions and has them called. Here a name is looked up in
a table of the few that arrays and plain containers need, each answered by a function of
this module; any other name is refused before anything of it is imported.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

TYPES = ('f2', 'f4', 'f8', 'i1', 'i2', 'i4', 'i8', 'u1', 'b1')
"""The plain numbers that tensors can hold, as numpy calls them."""


class PickledType:
    """Stands for a ``numpy.dtype`` while a pickle is read; plain numbers only.

    Args:
        name: kind and size, such as 'f4'.
    """

    __slots__ = ('dtype',)

    def __init__(self, name: str) -> None:
        if name not in TYPES:
            raise pickle.UnpicklingError(f'an array of type {name!r}, not of plain numbers')
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        """Take the byte order; refuse fields and sub-arrays."""
        if state[1] not in ('<', '>', '=', '|') or any(x is not None for x in state[2:5]):
            raise pickle.UnpicklingError(f'an array type with the state {state!r}')
        self.dtype = self.dtype.newbyteorder(state[1])


class PickledArray:
    """Stands for a ``numpy.ndarray`` while a pickle is read."""

    __slots__ = ('array',)

    def __init__(self) -> None:
        self.array = np.empty(0, 'f4')

    def __setstate__(self, state: tuple) -> None:
        """Take (version, shape, type, whether column-major, bytes); the first may be missing."""
        shape, dtype, column_major, data = state[-4:]
        if isinstance(data, str):  # as Python 2 wrote bytes
            data = data.encode('latin1')
        self.fill(data, dtype, shape, 'F' if column_major else 'C')

    def fill(self, data: bytes, dtype: PickledType, shape: tuple, order: str) -> None:
        """Give the array its numbers, if there are as many as its shape says."""
        if not isinstance(dtype, PickledType) or not all(
            isinstance(size, int) and size >= 0 for size in shape
        ):
            raise pickle.UnpicklingError(f'an array of type {dtype!r} and shape {shape!r}')
        wanted = math.prod(shape) * dtype.dtype.itemsize
        if len(data) != wanted:
            raise pickle.UnpicklingError(
                f'an array of shape {shape} with {len(data)} bytes in place of {wanted}'
            )
        self.array = np.ndarray(shape, dtype.dtype, bytes(data), order=order)

    def tensor(self) -> Tensor:
        """Return the numbers in memory of their own, in the machine's byte order."""
        native = self.array.dtype.newbyteorder('=')
        return torch.from_numpy(np.array(self.array, dtype=native, order='C'))


def new_type(name: str, align: object = 0, copy: object = 1) -> PickledType:
    """Answer for ``numpy.dtype``."""
    return PickledType(name)


def new_array(subtype: object, shape: tuple, typecode: object) -> PickledArray:
    """Answer for numpy's ``_reconstruct``: an array whose state follows."""
    return PickledArray()


def array_of_buffer(data: bytes, dtype: PickledType, shape: tuple, order: str) -> PickledArray:
    """Answer for numpy's ``_frombuffer``, as protocol 5 writes arrays."""
    array = PickledArray()
    array.fill(data, dtype, shape, order)
    return array


def number(dtype: PickledType, data: bytes | str) -> Any:
    """Answer for numpy's ``scalar``: a plain number."""
    data = data.encode('latin1') if isinstance(data, str) else data
    return np.frombuffer(data, dtype.dtype, count=1).item()


def encode(text: str, encoding: str = 'latin1') -> bytes:
    """Answer for ``_codecs.encode``: how protocol 2 writes bytes."""
    if encoding not in ('latin1', 'latin-1'):
        raise pickle.UnpicklingError(f'bytes in the encoding {encoding!r}')
    return text.encode('latin1')


def no_bytes() -> bytes:
    """Answer for ``bytes``: how protocol 2 writes none."""
    return b''


def refuse_calls(*args: object) -> None:
    """Answer for ``numpy.ndarray``, which is only an argument."""
    raise pickle.UnpicklingError('a call of numpy.ndarray')


def storage(data: bytes) -> Any:
    """Answer for torch's ``_load_from_bytes``: numbers of a tensor, read as torch reads safely."""
    return torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)


def tensor_of_storage(*args: Any) -> Tensor:
    """Answer for torch's ``_rebuild_tensor_v2``."""
    return torch._utils._rebuild_tensor_v2(*args)


def tensor_of_parameter(data: Tensor, *args: object) -> Tensor:
    """Answer for torch's ``_rebuild_parameter``."""
    return data


ANSWERS: Mapping[str, Callable | type] = {
    'collections.OrderedDict': OrderedDict,
    'builtins.set': set,
    '__builtin__.set': set,
    '__builtin__.bytes': no_bytes,
    '_codecs.encode': encode,
    'numpy.dtype': new_type,
    'numpy.ndarray': refuse_calls,
    'torch._utils._rebuild_tensor_v2': tensor_of_storage,
    'torch._utils._rebuild_parameter': tensor_of_parameter,
    'torch.storage._load_from_bytes': storage,
    **{
        f'{package}.{name}': answer
        for package in ('numpy.core', 'numpy._core')  # as numpy 1 and numpy 2 write them
        for name, answer in (
            ('multiarray._reconstruct', new_array),
            ('multiarray.scalar', number),
            ('numeric._frombuffer', array_of_buffer),
        )
    },
}
"""Name that a pickle may contain -> object that it is given."""


class RestrictedUnpickler(pickle.Unpickler):
    """Rebuilds numbers, texts, containers, arrays and tensors, and nothing else.

    Args:
        file: opened for reading bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding='latin1')

    def find_class(self, module: str, name: str) -> Any:
        """Return the object for a name.

        Raises:
            pickle.UnpicklingError: for any name that is not in the table.
        """
        answer = ANSWERS.get(f'{module}.{name}')
        if answer is None:
            raise pickle.UnpicklingError(f'it asks for {module}.{name}, which is refused')
        if isinstance(answer, type):
            return answer
        # a function of its own for each pickle: what a pickle writes into it stays there
        return lambda *args: answer(*args)


def load(file: BinaryIO) -> Any:
    """Read one pickle; arrays come as :class:`PickledArray`.

    Raises:
        pickle.UnpicklingError: and whatever else a damaged pickle leads to.
    """
    return RestrictedUnpickler(file).load()


PLAIN: Mapping[str, Callable | type] = {
    '_codecs.encode': encode,
    'builtins.bytes': no_bytes,
    'builtins.bytearray': bytearray,
    'builtins.complex': complex,
    'builtins.set': set,
    'collections.Counter': Counter,
}
"""Objects that later torches let a file name beside tensors; a schedule has a Counter."""


def pickle_module(also: Iterable[Any]) -> ModuleType:
    """Return what a torch without a list of its own takes as ``pickle_module`` of ``torch.load``.

    torch < 2.4 reads weights safely, but nothing can be added to what they may name.

    Args:
        also: functions and classes that a file may name beside those that torch lets weights name.
    """
    allowed = dict(torch._weights_only_unpickler._get_allowed_globals())
    allowed.update(PLAIN)
    allowed.update({f'{item.__module__}.{item.__qualname__}': item for item in also})

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            called = f'{module}.{name}'.replace('__builtin__.', 'builtins.')  # as of protocol 2
            if called not in allowed:
                raise pickle.UnpicklingError(f'it asks for {called}, which is refused')
            return allowed[called]

    restricted = ModuleType('restricted_pickle')
    restricted.Unpickler = Unpickler
    return restricted

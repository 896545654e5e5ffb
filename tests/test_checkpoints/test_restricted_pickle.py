"""Pickles: arrays come back bit for bit, everything else is refused before it can run."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from rocovis_mm.checkpoints import restricted_pickle

ARRAYS = {
    'float': np.random.default_rng(0).normal(size=(2, 3, 4)).astype('f4'),
    'columns first': np.asfortranarray(np.arange(6, dtype='f8').reshape(2, 3)),
    'big end first': np.arange(5, dtype='>i4'),
    'half': np.linspace(0, 1, 7).astype('f2'),
    'number': np.array(3.5, 'f4'),
    'none': np.empty((0, 4), 'f4'),
    'bool': np.array([True, False]),
    'long': np.arange(3),
    'byte': np.arange(3, dtype='u1'),
    'part': np.arange(20, dtype='f4').reshape(4, 5)[::2, 1:3],
}


def load(data: bytes):
    return restricted_pickle.load(io.BytesIO(data))


def as_numpy_1(data: bytes) -> bytes:
    """Rewrite the names of modules as numpy 1 wrote them (protocols 0 to 2: no lengths)."""
    return data.replace(b'cnumpy._core.', b'cnumpy.core.')


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_come_back_bit_for_bit(protocol):
    found = load(pickle.dumps({'model': ARRAYS, '__author__': 'x'}, protocol))
    assert found['__author__'] == 'x'
    for name, array in ARRAYS.items():
        tensor = found['model'][name].tensor()
        assert tensor.is_contiguous() and tensor.shape == array.shape
        assert tensor.numpy().dtype == array.dtype.newbyteorder('=')
        assert np.array_equal(tensor.numpy(), array), name


@pytest.mark.parametrize('protocol', [0, 1, 2])
def test_the_names_of_both_numpys_are_understood(protocol):
    new = pickle.dumps(ARRAYS['float'], protocol).replace(b'cnumpy.core.', b'cnumpy._core.')
    for data in (new, as_numpy_1(new)):
        assert np.array_equal(load(data).tensor().numpy(), ARRAYS['float'])


def test_what_python_2_wrote_is_understood():
    """Texts without an encoding, as in the oldest files of the zoo."""
    body = b'\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R'
    state = b'(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff'
    state += b'J\xff\xff\xff\xffK\x00tb\x89U\x08' + struct.pack('<2f', 1.5, -2) + b'tb.'
    assert load(body + state).tensor().tolist() == [1.5, -2.0]


def test_numbers_and_containers_and_tensors_come_back():
    class_free = {
        'scalar': np.float64(2.5),
        'order': collections.OrderedDict(a=1),
        'set': {1, 2},
        'bytes': b'\x00\xff',
        'nested': [(1, 'x', None, True)],
        'parameter': torch.nn.Parameter(torch.arange(3.0)),
        'tensor': torch.arange(6).reshape(2, 3).T,
    }
    for protocol in (2, 4):
        found = load(pickle.dumps(class_free, protocol))
        assert found['scalar'] == 2.5
        assert type(found['order']) is collections.OrderedDict and found['order'] == {'a': 1}
        assert found['set'] == {1, 2} and found['bytes'] == b'\x00\xff'
        assert found['nested'] == [(1, 'x', None, True)]
        assert found['parameter'].tolist() == [0, 1, 2]
        assert torch.equal(found['tensor'], class_free['tensor'])


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def attacks(trace: Path) -> dict[str, object]:
    command = f'touch {trace}'
    return {
        'os.system': Call(os.system, command),
        'eval': Call(eval, f'open({str(trace)!r}, "w")'),
        'open': Call(open, str(trace), 'w'),
        'getattr': Call(getattr, 'os', 'system'),
        'numpy load': Call(np.load, str(trace)),
        'torch load': Call(torch.load, str(trace)),
        'nested torch': Call(
            torch.storage._load_from_bytes,
            pickle_in_torch(Call(os.system, command)),
        ),
        'class': Path('x'),
        'function': os.system,
        'object array': np.array([Call(os.system, command)], dtype=object),
        'record array': np.zeros(2, dtype=[('a', 'f4')]),
        'text array': np.array(['a']),
    }


def pickle_in_torch(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


NAMES = sorted(attacks(Path('x')))


@pytest.mark.parametrize('name', NAMES)
def test_code_is_refused_and_never_runs(name, tmp_path):
    trace = tmp_path / 'trace'
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps({'model': {'weight': attacks(trace)[name]}}, protocol)
        with pytest.raises(Exception, match=r'(?i)refused|plain numbers|state|unsupported'):
            load(data)
        assert not trace.exists()


def test_what_a_pickle_writes_into_an_allowed_name_stays_in_that_pickle():
    """BUILD sets attributes on whatever is on the stack: a function among them."""
    data = b'\x80\x02cnumpy\ndtype\n}X\x04\x00\x00\x00evilK\x01sb.'
    assert callable(load(data))
    assert not hasattr(restricted_pickle.new_type, 'evil')
    with pytest.raises((TypeError, AttributeError)):
        load(b'\x80\x02ccollections\nOrderedDict\n}X\x04\x00\x00\x00evilK\x01sb.')


@pytest.mark.parametrize(
    ('shape', 'message'),
    [((3,), '8 bytes in place of 12'), ((-1,), 'shape'), (('2',), 'shape'), ((10**9,), 'bytes')],
)
def test_arrays_that_lie_about_their_size_are_refused(shape, message):
    array = restricted_pickle.PickledArray()
    kind = restricted_pickle.PickledType('f4')
    with pytest.raises(pickle.UnpicklingError, match=message):
        array.__setstate__((1, shape, kind, False, b'\x00' * 8))


def test_a_pickle_cut_anywhere_is_an_error():
    data = pickle.dumps({'model': {'a': ARRAYS['float'], 'b': ARRAYS['long']}}, 4)
    for length in range(len(data)):
        with pytest.raises(Exception):  # noqa: B017, PT011  (any: reading.py names the file)
            load(data[:length])
    assert pickletools.optimize(data)

"""Files that are no checkpoints, or no longer: a ValueError that names the file; and hashes."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import stat
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim import MultiStepLR

from rocovis_mm.checkpoints import read_checkpoint, write_checkpoint
from rocovis_mm.checkpoints.reading import file_hashes, hash_in_name
from rocovis_mm.formats.whole_files import write_whole

CONTENT = {'model': {'weight': torch.arange(300.0), 'bias': torch.ones(3)}, 'iteration': 7}


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


@pytest.mark.parametrize('name', ['x.pth', 'x.pkl', 'x'])
@pytest.mark.parametrize('zipped', [True, False])
def test_torch_files_are_read_whatever_they_are_called(tmp_path, name, zipped):
    torch.save(CONTENT, tmp_path / name, _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(tmp_path / name)
    assert found['iteration'] == 7
    assert torch.equal(found['model']['weight'], CONTENT['model']['weight'])


@pytest.mark.parametrize('name', ['x.pth', 'x.pkl'])
def test_pickles_are_read_whatever_they_are_called(tmp_path, name):
    arrays = {key: tensor.numpy() for key, tensor in CONTENT['model'].items()}
    (tmp_path / name).write_bytes(pickle.dumps({'model': arrays, 'matching_heuristics': True}))
    found = read_checkpoint(tmp_path / name)
    assert found['matching_heuristics'] is True
    assert torch.equal(found['model']['weight'].tensor(), CONTENT['model']['weight'])


def files(folder: Path) -> dict[str, bytes]:
    """Whole checkpoints of each form."""
    torch.save(CONTENT, folder / 'zip')
    torch.save(CONTENT, folder / 'old', _use_new_zipfile_serialization=False)
    arrays = {key: tensor.numpy() for key, tensor in CONTENT['model'].items()}
    (folder / 'pkl').write_bytes(pickle.dumps({'model': arrays}, 2))
    return {form: (folder / form).read_bytes() for form in ('zip', 'old', 'pkl')}


@pytest.mark.parametrize('form', ['zip', 'old', 'pkl'])
def test_a_file_cut_anywhere_is_an_error_with_its_name(tmp_path, form):
    whole = files(tmp_path)[form]
    path = tmp_path / 'cut.pth'
    lengths = {0, 1, 2, 10, len(whole) - 1, *range(3, len(whole), max(1, len(whole) // 40))}
    for length in lengths:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=re.escape(str(path))) as error:
            read_checkpoint(path)
        assert 'download' in str(error.value), length


def test_damaged_numbers_in_a_zip_are_noticed(tmp_path):
    whole = bytearray(files(tmp_path)['zip'])
    place = whole.index(torch.arange(300.0).numpy().tobytes()) + 100
    whole[place] ^= 1
    (tmp_path / 'x.pth').write_bytes(whole)
    with pytest.raises(ValueError, match='does not match its check sum'):
        read_checkpoint(tmp_path / 'x.pth')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'the file is empty'),
        (b'<!DOCTYPE html><html>', 'a web page'),
        (b'\n <html><body>Google Drive', 'a web page'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'a pointer'),
        (b'\x89PNG\r\n', 'cannot be read as a checkpoint'),
        (b'PK\x03\x04nothing', 'cannot be read as a checkpoint'),
        (b'some text', 'cannot be read as a checkpoint'),
        (pickle.dumps([1, 2]), 'holds a list, no dictionary'),
        (pickle.dumps(np.ones(3)), 'holds a PickledArray, no dictionary'),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / 'x.pkl'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f'{re.escape(str(path))}: .*{message}'):
        read_checkpoint(path)


def test_no_file_and_a_folder(tmp_path):
    for path in (tmp_path, tmp_path / 'none.pth'):
        with pytest.raises(FileNotFoundError, match=re.escape(str(path))):
            read_checkpoint(path)


@pytest.mark.parametrize('form', ['pickle', 'zip', 'old'])
def test_code_in_a_file_is_refused_by_name_and_never_runs(tmp_path, form):
    path, trace = tmp_path / 'x.pkl', tmp_path / 'trace'
    content = {'model': {'weight': Touch(trace)}}
    if form == 'pickle':
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == 'zip')
    with pytest.raises(ValueError, match=r'it asks for \w+\.system, .*refused, nothing was run'):
        read_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize('with_list', [True, False])
def test_what_a_run_saved_is_read_and_a_program_is_not(tmp_path, monkeypatch, with_list):
    """torch < 2.4 has no list of what a checkpoint may name."""
    if not with_list:
        monkeypatch.delattr(torch.serialization, 'add_safe_globals', raising=False)
        names = torch._weights_only_unpickler._get_allowed_globals()
        only = {key: names[key] for key in names if key.startswith('torch.')}  # as in torch 2.0
        only['collections.OrderedDict'] = OrderedDict
        monkeypatch.setattr(torch._weights_only_unpickler, '_get_allowed_globals', lambda: only)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
    schedule = MultiStepLR(optimizer, milestones=[3, 5])
    hub = dict(loss=HistoryBuffer([1.0, 3.0], [1, 1]), best=np.float64(0.5), seen=np.arange(3))
    states = dict(optimizer=optimizer.state_dict(), param_schedulers=[schedule.state_dict()])
    saved = dict(CONTENT, message_hub=hub, **states)
    torch.save(saved, tmp_path / 'run.pth')
    found = read_checkpoint(tmp_path / 'run.pth')
    assert found['message_hub']['loss'].mean() == 2.0
    assert found['message_hub']['loss'].statistics('current') == 3.0
    assert found['message_hub']['best'] == 0.5
    assert found['message_hub']['seen'].tolist() == [0, 1, 2]
    assert {key: found[key] for key in states} == states
    assert torch.equal(found['model']['weight'], CONTENT['model']['weight'])
    trace = tmp_path / 'was_run'
    torch.save(dict(saved, more=Touch(trace)), tmp_path / 'harm.pth')
    with pytest.raises(ValueError, match=r'asks for \w+\.system, .* refused, nothing was run'):
        read_checkpoint(tmp_path / 'harm.pth')
    assert not trace.exists()


def test_hashes(tmp_path):
    path = tmp_path / 'x'
    path.write_bytes(b'abc' * 1000)
    assert file_hashes(path) == {
        'sha256': hashlib.sha256(b'abc' * 1000).hexdigest(),
        'md5': hashlib.md5(b'abc' * 1000).hexdigest(),
    }
    assert hash_in_name('a/model_final_3c8ec9.pkl') == ('md5', '3c8ec9')
    assert hash_in_name('mask2former_r50_20220506_191028-41b088b6.pth') == ('sha256', '41b088b6')
    assert hash_in_name('model_final.pth') is None


def test_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'deep' / 'x.pth'
    write_checkpoint(CONTENT, path)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ['x.pth']

    def fail(file):
        file.write(b'half')
        raise RuntimeError('no space')

    with pytest.raises(RuntimeError, match='no space'):
        write_whole(path, fail)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ['x.pth']

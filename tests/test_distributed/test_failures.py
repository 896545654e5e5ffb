"""What goes wrong in a run ends it: with a clear error, soon, and nothing overwritten."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys

import pytest
import torch
from processes import PATIENCE, REPOSITORY, free_port, run_main, start
from torch.utils.data import get_worker_info

from rocovis_mm.datasets import VISDataset
from rocovis_mm.datasets.embedded import make_tiny_dataset

CONFIG = REPOSITORY / 'configs/rocovis/rocovis_demo.py'


@pytest.fixture
def root(tmp_path):
    return make_tiny_dataset(tmp_path / 'data', val_videos=1).root


def options(root, folder, iterations=2, workers=0, resume=False, **more):
    settings = {
        'data_root': f'{root}/', 'max_iters': iterations, 'val_interval': 100,
        'input_size': '(96,64)',
        'single_frames_until': 100, 'train_dataloader.batch_size': 1,
        'default_hooks.checkpoint.interval': 1, 'default_hooks.checkpoint.max_keep_ckpts': 9,
        'train_dataloader.num_workers': workers,
        'train_dataloader.persistent_workers': workers > 0, **more,
    }  # fmt: skip
    text = [f'{key}={value}' for key, value in settings.items()]
    return [CONFIG, *(['--resume'] if resume else []), '--work-dir', folder, '--cfg-options', *text,
            'val_cfg=None', 'val_dataloader=None', 'val_evaluator=None']  # fmt: skip


def end_of(text: str) -> str:
    return ' '.join(text.splitlines()[-3:])


def ends_badly(log, function, *arguments) -> str:
    """Run a function in a process that is to fail; return what it said."""
    process = start(function, *arguments, log=log)
    process.join(PATIENCE)
    code = process.exitcode
    process.kill()
    assert code not in (None, 0), f'{code}\n{log.read_text()[-3000:]}'
    return log.read_text()


def state_of(folder) -> dict:
    return {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in folder.glob('*.pth')}


def train_with_a_dying_worker(arguments) -> None:
    make = VISDataset.__getitem__

    def fail(dataset, index):
        if get_worker_info() is not None and index.key[1] >= 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return make(dataset, index)

    VISDataset.__getitem__ = fail
    run_main('train', *arguments)


def test_a_worker_that_is_killed(root, tmp_path):
    arguments = options(root, tmp_path / 'run', iterations=50, workers=1)
    said = ends_badly(tmp_path / 'log', train_with_a_dying_worker, arguments)
    assert 'DataLoader worker' in said and 'killed by signal' in said


def break_image(root, video=1) -> str:
    content = json.loads((root / 'train.json').read_text())
    names = next(v for v in content['videos'] if v['id'] == video)['file_names']
    for name in names:
        path = root / 'JPEGImages' / name
        path.write_bytes(path.read_bytes()[:30])
    return names[0].split('/')[0]


def test_a_frame_that_cannot_be_read(root, tmp_path):
    name = break_image(root)
    arguments = options(root, tmp_path / 'run', iterations=8, workers=1)
    said = ends_badly(tmp_path / 'log', run_main, 'train', *arguments)
    assert name in end_of(said) and 'is not a whole image' in end_of(said)


def launch(processes, config, *arguments, **variables) -> subprocess.Popen:
    """Start tools/dist_train.sh."""
    environment = dict(os.environ, PYTHON=sys.executable, OMP_NUM_THREADS='1', **variables)
    return subprocess.Popen(
        [REPOSITORY / 'tools/dist_train.sh', config, str(processes), *map(str, arguments)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(run: subprocess.Popen) -> str:
    try:
        return run.communicate(timeout=PATIENCE)[0]
    finally:
        run.kill()


def test_a_rank_that_fails_takes_the_other_with_it(root, tmp_path):
    """The other one waits for it in a collective call by then."""
    name = break_image(root)
    run = launch(2, *options(root, tmp_path / 'run', iterations=50))
    said = finish(run)
    assert run.returncode not in (0, None)
    assert name in said and 'is not a whole image' in said


@pytest.mark.slow
def test_two_machines(root, tmp_path):
    place = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=str(free_port()))
    folder = tmp_path / 'run'
    arguments = options(root, folder, single_frames_until=0)
    runs = [launch(1, *arguments, **place, NODE_RANK=str(node)) for node in range(2)]
    said = [finish(run) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sorted(state_of(folder)) == ['iter_1.pth', 'iter_2.pth']
    assert 'gloo joins the processes in place of nccl' in said[0]
    assert 'training saw' in said[0] and 'in 4 clips' in said[0]


def train_on_a_full_disk(arguments) -> None:
    limit = 200_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    run_main('train', *arguments)


def test_a_full_disk_leaves_what_was_there(root, tmp_path):
    folder = tmp_path / 'run'
    run_main_alone(tmp_path / 'first.log', 'train', *options(root, folder))
    before = state_of(folder)
    assert sorted(before) == ['iter_1.pth', 'iter_2.pth']
    arguments = options(root, folder, iterations=4, resume=True)
    said = ends_badly(tmp_path / 'log', train_on_a_full_disk, arguments)
    assert 'iter_3.pth: the checkpoint could not be written' in end_of(said)
    assert state_of(folder) == before and not list(folder.glob('.*'))
    assert (folder / 'last_checkpoint').read_text().endswith('iter_2.pth')


def run_main_alone(log, *arguments) -> str:
    process = start(run_main, *arguments, log=log)
    process.join(PATIENCE)
    assert process.exitcode == 0, log.read_text()[-3000:]
    return log.read_text()


def test_annotations_that_change_under_a_run(root, tmp_path):
    folder = tmp_path / 'run'
    run_main_alone(tmp_path / 'first.log', 'train', *options(root, folder))
    before = state_of(folder)
    content = json.loads((root / 'train.json').read_text())
    content['annotations'].pop()
    (root / 'train.json').write_text(json.dumps(content))
    arguments = options(root, folder, iterations=3, resume=True)
    said = ends_badly(tmp_path / 'log', run_main, 'train', *arguments)
    assert f'{root}/train.json: not the annotation file that this run' in end_of(said)
    assert state_of(folder) == before
    warn = {'default_hooks.annotations.on_change': 'warn'}
    arguments = options(root, folder, iterations=3, resume=True, **warn)
    said = run_main_alone(tmp_path / 'log', 'train', *arguments)
    assert 'not the annotation file that this run' in said and 'iter_3.pth' in state_of(folder)


@pytest.mark.slow
def test_a_newest_checkpoint_that_is_cut_short_is_reported_and_passed_over(root, tmp_path):
    folder = tmp_path / 'run'
    run_main_alone(tmp_path / 'first.log', 'train', *options(root, folder))
    expected = torch.load(folder / 'iter_2.pth', weights_only=True)['state_dict']
    newest = folder / 'iter_2.pth'
    newest.write_bytes(newest.read_bytes()[:5000])
    said = run_main_alone(tmp_path / 'log', 'train', *options(root, folder, resume=True))
    assert f'not resumed from: {newest}' in said and 'iter: 1' in said
    found = torch.load(newest, weights_only=True)['state_dict']
    assert all(torch.equal(found[name], value) for name, value in expected.items())

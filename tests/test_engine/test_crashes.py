"""A run that is killed goes on from its last whole checkpoint and ends as if nothing had been."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import mmengine.fileio.backends.local_backend as storage
import pytest
import torch
from mmengine.runner import ValLoop
from processes import PATIENCE, REPOSITORY, run_main, start

from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.engine import IterTrainLoop

CONFIG = REPOSITORY / 'configs/rocovis/rocovis_demo.py'
MOMENTS = ('iteration', 'half written', 'before a rename', 'after a rename', 'validation')


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write_half(backend, content, path) -> None:
    with open(path, 'wb') as file:
        file.write(content[: len(content) // 2])
    die()


def die_at(moment: str, number: int) -> None:
    """Let this process be killed when it comes to a moment for the `number`-th time."""
    owner, name = {
        'iteration': (IterTrainLoop, 'run_iter'),
        'half written': (storage.LocalBackend, 'put'),
        'before a rename': (os, 'replace'),
        'after a rename': (os, 'replace'),
        'validation': (ValLoop, 'run_iter'),
    }[moment]
    original, left = getattr(owner, name), [number]

    def patched(*arguments, **options):
        left[0] -= 1
        if left[0] == 0 and moment == 'half written':
            write_half(*arguments)
        if left[0] == 0 and moment != 'after a rename':
            die()
        original(*arguments, **options)
        if left[0] == 0:
            die()

    setattr(owner, name, patched)


def train(root: Path, folder: Path, iterations: int, moment: str = '', number: int = 0) -> None:
    """What a user starts, and starts again: tools/train.py --resume."""
    if moment:
        die_at(moment, number)
    run_main(
        'train', CONFIG, '--resume', '--work-dir', folder, '--cfg-options', f'data_root={root}/',
        f'max_iters={iterations}', 'val_interval=4', 'single_frames_until=3',
        'default_hooks.checkpoint.interval=2', 'default_hooks.checkpoint.max_keep_ckpts=2',
        'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
        'val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False',
        'train_dataloader.batch_size=2', 'input_size=(96,64)', 'num_frames=2',
    )  # fmt: skip


def run(folder: Path, root: Path, iterations: int, *fate: object) -> int:
    log = folder.parent / f'{folder.name}.log'
    process = start(train, root, folder, iterations, *fate, log=log)
    process.join(PATIENCE)
    code = process.exitcode
    process.kill()
    assert code in (0, -signal.SIGKILL), f'{code}\n{log.read_text()[-4000:]}'
    return code


def last(folder: Path, iterations: int) -> dict:
    return torch.load(folder / f'iter_{iterations}.pth', weights_only=True)


def everything_is_whole(folder: Path) -> None:
    for path in folder.glob('*.pth'):
        torch.load(path, weights_only=True)
    pointer = folder / 'last_checkpoint'
    assert not pointer.exists() or pointer.read_text()


def ends_as_if_nothing_had_been(tmp_path: Path, iterations: int, fates: list[tuple]) -> int:
    """Let a run be killed at each of its fates and compare its end; return how often it was."""
    root = make_tiny_dataset(tmp_path / 'data', val_videos=2).root
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    assert run(whole, root, iterations) == 0
    killed = 0
    for fate in fates:
        killed += run(cut, root, iterations, *fate) != 0
        everything_is_whole(cut)
    assert run(cut, root, iterations) == 0
    expected, found = last(whole, iterations), last(cut, iterations)
    for part in ('state_dict', 'ema_state_dict'):
        assert found[part].keys() == expected[part].keys()
        for name, value in expected[part].items():
            assert torch.equal(found[part][name], value), name
    ours, theirs = (x['message_hub']['runtime_info'] for x in (found, expected))
    for key in ('clip_events', 'best_score', 'draw_seed', 'annotation_files', 'iter'):
        assert ours.get(key) == theirs.get(key), key
    names = [sorted(path.name for path in folder.glob('*.pth')) for folder in (whole, cut)]
    assert names[0] == names[1]
    assert len(names[0]) == 2 + ('best_score' in theirs)  # the last two, and the best of any
    assert not list(cut.glob('.*'))
    return killed


def test_killed_three_times(tmp_path):
    fates = [('half written', 2), ('after a rename', 4), ('iteration', 2)]
    assert ends_as_if_nothing_had_been(tmp_path, 8, fates) == len(fates)


@pytest.mark.slow
def test_killed_twenty_times(tmp_path):
    draw = random.Random(5)
    fates = []
    for kill in range(20):
        moment = MOMENTS[kill % len(MOMENTS)]
        most = dict(zip(MOMENTS, (5, 2, 4, 4, 6)))[moment]
        fates.append((moment, draw.randint(1, most)))
    draw.shuffle(fates)
    assert ends_as_if_nothing_had_been(tmp_path, 60, fates) == len(fates)

"""Ctrl-C and SIGTERM end a run with a checkpoint, from which it goes on as if nothing had been."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from processes import run_ranks
from toy_run import logged, toy_runner

from rocovis_mm.engine.interruption import SAME, Interruption


@pytest.fixture(autouse=True)
def usual_handlers():
    """Those that a terminal's program has; one that runs in the background may ignore Ctrl-C."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


class Tell(Hook):
    """Keeps what each iteration saw; sends this process a signal twice, as launchers do.

    Args:
        moment: (name of the hook's method, number of the iteration or batch from 0).
    """

    priority = 'VERY_HIGH'

    def __init__(self, moment=None, number=signal.SIGINT):
        self.moment, self.number, self.seen = moment, number, []

    def tell(self, moment):
        if self.moment == moment:
            os.kill(os.getpid(), self.number)
            os.kill(os.getpid(), self.number)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.tell(('before_train_iter', runner.iter))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seen.append((runner.iter, data_batch['x'][0].item()))

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        self.tell(('before_val_iter', batch_idx))


def run(folder, tell, **options):
    """Train 8 iterations, two epochs; return what was seen and the last checkpoint."""
    average = dict(type='EMAHook', momentum=0.25)
    runner = toy_runner(folder, hooks=[average, tell], accumulate=2, **options)
    former = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        runner.train()
    finally:
        assert former == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
        assert not any(isinstance(hook, Interruption) for hook in runner.hooks)
    path = Path((folder / 'last_checkpoint').read_text())
    return tell.seen, torch.load(path, weights_only=True)


def assert_same_state(found, expected):
    for part in ('state_dict', 'ema_state_dict'):
        assert found[part].keys() == expected[part].keys()
        for name, value in expected[part].items():
            assert torch.equal(found[part][name], value), name
    assert str(found['optimizer']) == str(expected['optimizer'])
    assert str(found['param_schedulers']) == str(expected['param_schedulers'])
    assert found['message_hub']['runtime_info']['iter'] == 7


@pytest.mark.parametrize('by_epoch', [False, True])
@pytest.mark.parametrize(
    ('iteration', 'number', 'done'),
    [(1, signal.SIGINT, 2), (4, signal.SIGTERM, 6), (3, signal.SIGINT, 4)],
)
def test_an_interrupted_run_goes_on_exactly(tmp_path, capfd, by_epoch, iteration, number, done):
    """Also within an epoch, and after gradients that were accumulated."""
    options = dict(by_epoch=by_epoch) if by_epoch else dict(interval=100)
    expected, last = run(tmp_path / 'whole', Tell(), **options)
    capfd.readouterr()
    folder, tell = tmp_path / 'cut', Tell(('before_train_iter', iteration), number)
    with pytest.raises(SystemExit) as ended:
        run(folder, tell, **options)
    assert ended.value.code == 128 + number
    said = capfd.readouterr()
    [line] = [line for line in (said.out + said.err).splitlines() if 'ended by' in line]
    path = folder / f'iter_{done}.pth'
    assert f'ended by {number.name} after iteration {done}; {path} is written' in line
    assert Path((folder / 'last_checkpoint').read_text()) == path
    seen, found = run(folder, Tell(), resume=True, **options)
    assert tell.seen + seen == expected and len(tell.seen) == done
    assert_same_state(found, last)
    names = sorted(path.name for path in folder.glob('*.pth'))
    kept = [path.name] if not by_epoch else []  # as that of an epoch, the next one's takes over
    whole = [path.name for path in (tmp_path / 'whole').glob('*.pth')]
    assert names == sorted({*kept, *whole})


@pytest.mark.parametrize('interval', [4, 100])
def test_a_run_that_is_interrupted_while_it_validates_validates_again(tmp_path, interval):
    figures = dict(figures=[0.1, 0.2], interval=interval)
    _, last = run(tmp_path / 'whole', Tell(), **figures)
    with pytest.raises(SystemExit):
        run(tmp_path / 'cut', Tell(('before_val_iter', 2)), **figures)
    assert logged(tmp_path / 'cut', 'AP') == []
    assert [path.name for path in (tmp_path / 'cut').glob('*.pth')] == ['iter_4.pth']
    seen, found = run(tmp_path / 'cut', Tell(), resume=True, **figures)
    assert [iteration for iteration, _ in seen] == [4, 5, 6, 7]
    assert logged(tmp_path / 'cut', 'AP') == [(4, 0.1), (8, 0.2)]
    assert_same_state(found, last)


def test_an_ignored_signal_stays_ignored(tmp_path):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tell = Tell(('before_train_iter', 2))
    toy_runner(tmp_path, hooks=[tell]).train()
    assert len(tell.seen) == 8


def test_a_second_signal_has_its_usual_effect(tmp_path, monkeypatch):
    monkeypatch.delenv('TORCHELASTIC_RUN_ID', raising=False)
    interruption = Interruption(toy_runner(tmp_path))
    with pytest.raises(KeyboardInterrupt), interruption:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)  # what `timeout` and torchrun pass on
        assert interruption.number == signal.SIGINT
        interruption.came -= SAME
        os.kill(os.getpid(), signal.SIGINT)
        signal.sigtimedwait([], 1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_loaders_that_a_signal_ended_too_end_the_run_in_order(tmp_path):
    def die():
        os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError('DataLoader worker (pid 7) is killed by signal: Terminated')
        yield

    runner = toy_runner(tmp_path, interval=100)
    runner.train_loop  # noqa: B018  (builds it)
    start = runner.train_loop._run

    def run_without_data(sampler):
        runner.train_loop.dataloader_iterator = die()
        return start(sampler)

    runner.train_loop._run = run_without_data
    with pytest.raises(SystemExit) as ended:
        runner.train()
    assert ended.value.code == 128 + signal.SIGTERM


def train_a_rank(folder) -> None:
    """One of two joined ranks; only the second one is told to end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.distributed.init_process_group('gloo')
    rank = torch.distributed.get_rank()
    tell = Tell(('before_train_iter', 2) if rank else None)
    try:
        toy_runner(folder, hooks=[tell], interval=100).train()
    except SystemExit as ended:
        print('status', ended.code, 'seen', len(tell.seen), file=sys.stderr)


def test_all_ranks_end_after_the_same_iteration(tmp_path):
    said = run_ranks(2, train_a_rank, tmp_path, folder=tmp_path)
    assert all('status 130 seen 3' in text for text in said), said
    assert 'ended by SIGINT after iteration 3' in said[0] and 'ended by' not in said[1]
    assert [path.name for path in tmp_path.glob('*.pth')] == ['iter_3.pth']

"""A warning is shown once in a run: not by each repeat, loading process and rank."""

from __future__ import annotations

import logging
import warnings

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from rocovis_mm.utils.said_once import warnings_said_once


class Warns(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        warnings.simplefilter('always')
        warnings.warn(f'the file is odd in row {index % 2}')
        return torch.tensor(index)


def shown(capfd) -> list[str]:
    text = capfd.readouterr()
    return [line for line in (text.out + text.err).splitlines() if 'is odd' in line]


@pytest.mark.filterwarnings('default')
def test_loading_processes_and_epochs_show_a_warning_once(capfd):
    show = warnings.showwarning
    warnings.showwarning = lambda message, *_: print(message, flush=True)  # as outside of a test
    try:
        with warnings_said_once() as once:
            for _ in range(2):
                assert sorted(DataLoader(Warns(), num_workers=2, batch_size=None)) == [0, 1, 2, 3]
    finally:
        warnings.showwarning = show
    assert sorted(shown(capfd)) == [f'the file is odd in row {row}' for row in (0, 1)]
    assert not once.folder.exists()


def test_a_logger_shows_a_warning_once_and_other_records_always(capfd):
    logger = logging.Logger('test')
    logger.addHandler(logging.StreamHandler())
    with warnings_said_once() as once:
        logger.addFilter(once)
        for _ in range(2):
            logger.warning('the file is odd')
            logger.info('it is odd that nobody looks')
            logger.error('this is odd')
    assert shown(capfd) == [
        'the file is odd', 'it is odd that nobody looks', 'this is odd', 'it is odd that nobody '
        'looks', 'this is odd',
    ]  # fmt: skip


def test_ranks_of_a_run_share_what_was_shown_and_other_runs_do_not(monkeypatch):
    for name, value in (('TORCHELASTIC_RUN_ID', 'a'), ('MASTER_PORT', '1'), ('LOCAL_RANK', '1')):
        monkeypatch.setenv(name, value)
    with warnings_said_once() as other_rank:
        assert other_rank.is_new('x')
    monkeypatch.setenv('LOCAL_RANK', '0')
    with warnings_said_once() as first:
        assert not first.is_new('x') and first.is_new('y') and not other_rank.is_new('y')
        monkeypatch.setenv('MASTER_PORT', '2')
        with warnings_said_once() as other_run:
            assert other_run.is_new('x')
    assert not first.folder.exists()
    assert first.is_new('x')  # where it cannot be found out

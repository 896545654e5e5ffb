"""Warnings that a run shows once, not again in its repeats, ranks or loading processes."""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SAME_RUN = ('TORCHELASTIC_RUN_ID', 'MASTER_PORT', 'SLURM_JOB_ID', 'SLURM_STEP_ID')
"""Variables that identify the run of a rank, with the process that started it."""


class SaidOnce(logging.Filter):
    """Lets a warning pass once in all processes that share a folder.

    Python and MMEngine show a warning in each process anew. A file for each text, which the first
    process to show it creates, is seen by all of them.

    Args:
        folder: for the files.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def is_new(self, text: str) -> bool:
        """Whether no process has shown a text, or that is unknown."""
        path = self.folder / hashlib.sha256(text.encode(errors='replace')).hexdigest()
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        except OSError:
            return True
        return True

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep all records but warnings that were shown before."""
        return record.levelno != logging.WARNING or self.is_new(record.getMessage())


@contextmanager
def warnings_said_once() -> Iterator[SaidOnce]:
    """Let Python's warnings be shown once, and yield the filter that does it for a logger."""
    names = [os.environ[name] for name in SAME_RUN if name in os.environ]
    if names:
        key = hashlib.sha256('_'.join([*names, str(os.getppid())]).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir(), f'rocovis_mm_{getpass.getuser()}_{key}')
        folder.mkdir(mode=0o700, exist_ok=True)
    else:
        folder = Path(tempfile.mkdtemp(prefix='rocovis_mm_'))
    once, show, owner = SaidOnce(folder), warnings.showwarning, os.getpid()

    def show_once(message: Any, category: Any, *args: Any, **kwargs: Any) -> None:
        if once.is_new(f'{category.__name__}: {message}'):
            show(message, category, *args, **kwargs)

    warnings.showwarning = show_once
    try:
        yield once
    finally:
        warnings.showwarning = show
        if os.environ.get('LOCAL_RANK', '0') == '0' and os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

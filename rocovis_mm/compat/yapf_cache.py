"""Waits for yapf's cache, which another process may be writing.

MMEngine imports yapf (mmengine 0.10.7, ``config/config.py:20``), which puts the file of its cache
in place before all of it is written (yapf 0.43, ``_ylib2to3/pgen2/grammar.py:115``, google/yapf
issue 1204). Of processes that start together on a new machine, one may find a part of it.
"""

from __future__ import annotations

import pickle
import time

TRIES = 20
PAUSE = 0.1  # seconds


def import_yapf() -> None:
    """Import yapf, again while its cache is incomplete.

    Raises:
        ImportError: the cache stays incomplete, say after a full disk; names the remedy.
    """
    for _ in range(TRIES):
        try:
            import yapf  # noqa: F401

            return
        except (EOFError, pickle.UnpicklingError) as error:
            broken = error
            time.sleep(PAUSE)
    raise ImportError(
        f'yapf, which MMEngine needs, cannot read its cache ({broken}). Remove the folder YAPF '
        'from the cache of this user (on Linux ~/.cache/YAPF); yapf writes it anew'
    ) from broken

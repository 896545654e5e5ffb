"""Processes that start together on a new machine: yapf's cache may be incomplete for a moment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

IMPORT = 'import rocovis_mm.compat.checked'
# The process that writes the cache goes on while this one pauses.
IMPORT_WHILE_WRITTEN = f"""
import sys, time
from pathlib import Path

def complete(seconds):
    for file in Path(sys.argv[1]).rglob('*.pickle'):
        file.write_bytes(file.with_suffix('.whole').read_bytes())
    print('completed')

time.sleep = complete
{IMPORT}
import yapf
print(yapf.yapf_api.FormatCode('a=1'))
"""


def run_with_cache(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-c', code, str(folder)],
        env={**os.environ, 'XDG_CACHE_HOME': str(folder), 'HOME': str(folder)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )


@pytest.fixture
def cut_cache(tmp_path: Path) -> Path:
    """A folder with a cache as a process leaves it that is still writing it."""
    assert run_with_cache(IMPORT, tmp_path).returncode == 0
    files = list(tmp_path.rglob('*.pickle'))
    assert files, 'yapf keeps its cache elsewhere'
    for file in files:
        content = file.read_bytes()
        file.with_suffix('.whole').write_bytes(content)
        file.write_bytes(content[: len(content) // 2])
    return tmp_path


def test_a_cache_of_yapf_that_is_being_written_is_waited_for(cut_cache):
    done = run_with_cache(IMPORT_WHILE_WRITTEN, cut_cache)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == 'completed'
    assert "('a = 1\\n', True)" in done.stdout


def test_a_cache_of_yapf_that_stays_incomplete_is_named(cut_cache):
    done = run_with_cache(IMPORT, cut_cache)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith('ImportError: yapf') and 'Remove the folder YAPF' in last

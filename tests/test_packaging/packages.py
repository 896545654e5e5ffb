"""The wheel and the source distribution, built from a copy of the repository, nothing fetched."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY

PARTS = ('rocovis_mm', 'configs', 'demo', 'tools', 'requirements', 'setup.py', 'pyproject.toml',
         'MANIFEST.in', 'README.md', 'CHANGELOG.md', 'LICENSE', 'CITATION.cff',
         'requirements.txt', 'model-index.yml')  # fmt: skip


def copy_sources(folder: Path) -> Path:
    """Copy what the packages are made of, so that no build folder is left in the repository."""
    skip = shutil.ignore_patterns('__pycache__', '.mim')
    for name in PARTS:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, folder / name, ignore=skip)
        else:
            shutil.copy(REPOSITORY / name, folder)
    return folder


def build(sources: Path, kind: str, out: Path) -> Path:
    """Build 'sdist' or 'bdist_wheel' and return the file."""
    done = subprocess.run(
        [sys.executable, 'setup.py', '-q', kind, '-d', out], cwd=sources,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    (package,) = out.iterdir()
    return package

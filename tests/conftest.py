"""What all tests share."""

import os
from pathlib import Path

import pytest

import rocovis_mm  # noqa: F401  (prepares the environment before any mmdet import)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def shared_dir() -> Path:
    """The folder of shared fixtures, beside the checkout; skips where it is missing."""
    folder = Path(os.environ.get('ROCOVIS_SHARED', REPOSITORY.parent / 'shared'))
    if not (folder / 'fixtures').is_dir():
        pytest.skip(f'needs the shared fixtures, not found at {folder} (set ROCOVIS_SHARED)')
    return folder

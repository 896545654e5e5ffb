"""What all tests share."""

import gc
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import gc_paused  # noqa: F401  (before all that is large)
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

if __name__ == 'conftest':
    # model-index, attributee and others install a package `tests`: it must not hide this folder
    sys.modules['tests'] = ModuleType('tests')
    sys.modules['tests'].__path__ = [str(REPOSITORY / 'tests')]


LONG = """
    test_exporting test_every_config test_failures test_benchmark test_session test_train_test
    test_rerun_results test_gpu_report test_video_demo test_resume_rocovis test_streaming
    test_resume test_variables test_crashes test_evaluate test_inferencer test_joint_dataset
    test_optim_wrapper test_published_checkpoints test_method_configs test_hard_dataset
""".split()
"""The files that take longest, which run first: the last processes then end at about one time."""


def pytest_collectstart() -> None:
    """Import what is large where tests are collected: the process that hands them out needs none.

    The registry prepares the environment before any import of mmengine and mmdet.
    """
    import rocovis_mm.registry  # noqa: F401, I001
    import quick_configs  # noqa: F401
    import quick_mmengine  # noqa: F401


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long; the others keep their order."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a whole file to one process, and the files that use processes.py to the same one.

    Its fork server, which takes seconds to start, serves them all.
    """
    if config.getoption('dist') != 'loadfile':
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return 'processes' if starts_processes(file) else file

    return Scheduling(config, log)


@cache
def starts_processes(file: str) -> bool:
    return 'from processes import' in (REPOSITORY / file).read_text('utf-8')


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Spare each later full garbage collection the million objects that imports have made."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope='session')
def shared_dir() -> Path:
    """The folder of shared fixtures, beside the checkout; skips where it is missing."""
    folder = Path(os.environ.get('ROCOVIS_SHARED', REPOSITORY.parent / 'shared'))
    if not (folder / 'fixtures').is_dir():
        pytest.skip(f'needs the shared fixtures, not found at {folder} (set ROCOVIS_SHARED)')
    return folder

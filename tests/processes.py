"""Real processes for tests, forked from one that has imported everything."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload([
    'rocovis_mm.registry', 'rocovis_mm.models', 'rocovis_mm.engine', 'rocovis_mm.evaluation',
    'rocovis_mm.visualization', 'rocovis_mm.utils.launch', 'torch._dynamo',
])  # fmt: skip
PATIENCE = 300
"""Seconds after which a process counts as hanging."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def start(function, *arguments, log: Path | None = None, environment: dict | None = None):
    """Start a function in a process of its own; what it prints goes into `log`."""
    process = CONTEXT.Process(target=enter, args=(function, arguments, log, environment or {}))
    process.start()
    return process


def enter(function, arguments, log, environment) -> None:
    import quick_configs  # noqa: F401
    import quick_mmengine  # noqa: F401
    import torch

    gc.freeze()  # as conftest.py does
    os.environ.update(environment)
    torch.set_num_threads(1)
    if log is None:
        function(*arguments)
        return
    with log.open('w') as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        function(*arguments)


def run_ranks(ranks: int, function, *arguments, folder: Path) -> list[str]:
    """Run a function in so many joined processes (alone for 1); return what each printed."""
    port = free_port()
    logs = [folder / f'{ranks}_{rank}.log' for rank in range(ranks)]
    processes = []
    for rank, log in enumerate(logs):
        place = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=ranks, MASTER_PORT=port)
        environment = dict(MASTER_ADDR='127.0.0.1', **{k: str(v) for k, v in place.items()})
        processes.append(
            start(function, *arguments, log=log, environment=environment if ranks > 1 else None)
        )
    for process in processes:
        process.join(PATIENCE)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    texts = [log.read_text() for log in logs]
    assert codes == [0] * ranks, f'{codes}\n' + '\n'.join(text[-3000:] for text in texts)
    return texts


def run_script(
    script: Path | str, *arguments: object, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python SCRIPT ARGUMENTS`` in a process of its own, without its seconds of imports.

    A script that must show what it imports itself needs an interpreter of its own instead.
    """
    words = [str(word) for word in (script, *arguments)]
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder, 'stdout'), Path(folder, 'stderr')
        process = start(enter_script, words, cwd, outputs, environment=environment)
        process.join(PATIENCE)
        process.kill()
        process.join()
        return subprocess.CompletedProcess(words, process.exitcode, *map(Path.read_text, outputs))


def enter_script(words: list[str], cwd: Path | None, outputs: tuple[Path, Path]) -> None:
    for number, path in enumerate(outputs, start=1):
        with path.open('w') as file:
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (open(n, 'w', buffering=1, closefd=False) for n in (1, 2))
    os.chdir(cwd or Path.cwd())
    sys.argv = words
    sys.path.insert(0, str(Path(words[0]).resolve().parent))
    runpy.run_path(words[0], run_name='__main__')


def run_main(tool: str, *arguments: object) -> int | None:
    """Run ``tools/<tool>.py`` with arguments, as the command line does; return its status."""
    path = REPOSITORY / 'tools' / f'{tool}.py'
    spec = importlib.util.spec_from_file_location(f'tool_{tool}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.argv = [path.name, *map(str, arguments)]
    return module.main()

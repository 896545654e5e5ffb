"""The paper's Table 2 by the paper's protocol: rows that start from one frame-level model.

    python tools/run_comparison.py [--data-root DIR | --difficulty hard] [--work-dir DIR]

For each seed, a Mask2Former learns single frames. All rows start from its weights and train
with the same further budget of seconds: the time of an iteration is measured once for each row,
and fixes the row's number of iterations for all seeds. One rule scores the tracks of all rows.
Writes comparison.md, comparison.json and comparison.png. The same command resumes after an
interruption: finished runs are used again.
"""

from __future__ import annotations

import argparse
import copy
import fcntl
import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import run_demo  # its registry import comes before any part of mmdet
import torch
from comparison_report import write_report
from comparison_rows import ROWS, START, TRACK_RULE, Row
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from mmengine.registry import init_default_scope

from rocovis_mm.checkpoints.fitting import load_model
from rocovis_mm.console import print_anything
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.registry import DATASETS, MODELS
from rocovis_mm.utils import load_run_config
from rocovis_mm.utils.config import ConfigChain
from rocovis_mm.visualization.curves import find_scalars, read_scalars

TOOLS = Path(__file__).resolve().parent
CONFIGS = TOOLS.parent / 'configs'
TIMED, ROUNDS = 12, 5
"""Iterations of a timed run, of which the first two do not count, and timed runs of a row."""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = parser.add_mutually_exclusive_group()
    data.add_argument('--data-root', help='folder of train.json, val.json and JPEGImages')
    data.add_argument('--difficulty', default='easy', help='of the generated data [easy]')
    parser.add_argument('--template', help='such as lite0_custom [demo; own data: tiny_custom]')
    parser.add_argument('--start', type=Path, help='checkpoint that all rows and seeds start from')
    parser.add_argument('--work-dir', type=Path, default='work_dirs/compare')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2, 3, 4])
    parser.add_argument(
        '--rows',
        nargs='+',
        choices=list(ROWS),
        default=[name for name, row in ROWS.items() if row.default],
        help='rows of the table [all but `global`]',
    )
    parser.add_argument('--start-iterations', type=int, default=1600, help='of the start [1600]')
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument('--budget-seconds', type=float, default=300, help='of each training [300]')
    budget.add_argument('--iterations', type=int, help='as many for each row, whatever they take')
    parser.add_argument('--jobs', type=int, default=1, help='trainings at once [1]')
    parser.add_argument('--threads', type=int, help='of each training [cores / jobs]')
    parser.add_argument('--cfg-options', nargs='+', default=[], help='of all trainings and tests')
    args = parser.parse_args(arguments)
    args.rows = [name for name in ROWS if name in args.rows]  # in the order of the table
    args.threads = args.threads or max(1, (os.cpu_count() or 1) // args.jobs)
    return args


@dataclass(frozen=True)
class Run:
    """One training, or one test of the start, in a folder of its own.

    Attributes:
        folder: of its checkpoints, log, results and figures.
        path: of its config file.
        options: its ``--cfg-options``.
        start: the checkpoint it starts from; None for a start itself, which the row `minvis` tests.
        iterations: of its training; 0 tests the start.
    """

    folder: Path
    path: Path
    options: tuple[str, ...]
    start: Path | None
    iterations: int

    @property
    def config(self) -> Config:
        """The config with all options set."""
        return load_run_config(self.path, run_demo.parse_options([*self.options]))

    @property
    def checkpoint(self) -> Path:
        """The file that it ends with."""
        return self.folder / f'iter_{self.iterations}.pth' if self.iterations else self.start

    @property
    def title(self) -> str:
        """Seed and row."""
        return f'{self.folder.parent.name}/{self.folder.name}'


def plan_run(
    args: argparse.Namespace, row: Row, folder: Path, seed: int, start: Path | None, iterations: int
) -> Run:
    """Return a run with the options that all rows share, and its own."""
    template = args.template or ('tiny_custom' if args.data_root else 'demo')
    length = iterations or 1
    options = [
        f'randomness.seed={seed}',
        f'max_iters={length}',
        'num_workers=0',
        f'train_cfg.val_begin={length + 1}',  # the last checkpoint counts, none is chosen
        'default_hooks.checkpoint.interval=100',
        *TRACK_RULE,
        *row.options,
    ]
    if args.data_root:
        root = args.data_root.rstrip('/') + '/'
        categories = read_json(root + 'val.json')['categories']
        classes = tuple(each['name'] for each in sorted(categories, key=lambda each: each['id']))
        options += [f'data_root={root}', f'classes={classes}'.replace("', '", "','")]
    else:
        options.append(f'data_root={generated_root(args)}/')
        options += ['frame_range=2'] * (args.difficulty == 'hard')  # clips move as a stream does
    path = CONFIGS / row.config.format(template)
    if not path.is_file():
        raise RuntimeError(f'--template {template}: there is no {path}, which {row.title} needs')
    options += stages(ConfigChain(path).variables, length, bool(start))
    return Run(folder, path, (*options, *args.cfg_options), start, iterations)


def stages(known: Collection[str], length: int, started: bool) -> list[str]:
    """Return the options of a run's stages; one that began elsewhere has clips only."""
    if 'clips_from' in known:  # of a template that begins with batches of single frames
        return [f'clips_from={0 if started else length * 10 // 11}']
    half_size = ['half_size_until=0'] * (started and 'half_size_until' in known)
    return ['single_frames_until=0', *half_size]


def generated_root(args: argparse.Namespace) -> Path:
    """Return the folder of the generated data."""
    suffix = '' if args.difficulty == 'easy' else f'_{args.difficulty}'
    return Path(f'data/embedded{suffix}')


def truth_of(config: Config) -> Path:
    """Return the annotation file that a config tests with."""
    dataset = config.test_dataloader.dataset
    return Path(dataset.data_root) / dataset.ann_file


def carry_out(run: Run) -> Run:
    """Train and test, as far as that is not done. Only one process at a time owns the folder."""
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    lock = run.folder.parent / f'.{run.folder.name}.lock'
    with lock.open('w') as own:
        take(own, run.title)
        config = run.config
        train = config.train_dataloader.dataset
        inputs = [Path(train.data_root) / train.ann_file, truth_of(config), run.start]
        facts = [hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs if path]
        run_demo.set_older_run_aside(run.folder, config, facts)
        begin = time.perf_counter()
        started_from = [f'load_from={run.start}'] if run.start else []
        if not run.checkpoint.is_file():
            say(f'{run.title}: training for {run.iterations} iterations')
            call(run, own, 'train.py', run.path, '--resume', more=started_from)
        results, metrics = run.folder / 'results.json', run.folder / 'metrics.json'
        if run.start and not metrics.is_file():
            arguments = [run.checkpoint, '--out', results, '--format-only']
            call(run, own, 'test.py', run.path, *arguments)
            call(run, own, 'eval_results.py', truth_of(config), results, '--out', metrics)
        minutes = (time.perf_counter() - begin) / 60
        found = f', AP {100 * read_json(metrics)["AP"]:.1f}' if run.start else ''
        say(f'{run.title}: done in {minutes:.1f} minutes{found}')
    return run


def take(lock: Any, title: str) -> None:
    """Wait until no process that an earlier call has left behind works in a run's folder."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f'{title}: an earlier call has left a process that still works on it; waiting')
        fcntl.flock(lock, fcntl.LOCK_EX)


def call(run: Run, lock: Any, name: str, *arguments: object, more: Sequence[str] = ()) -> None:
    """Run another tool in a process that inherits the lock, with its output in the folder.

    Raises:
        RuntimeError: it failed; names its output.
    """
    command = [sys.executable, str(TOOLS / name), *map(str, arguments)]
    if name != 'eval_results.py':
        command += ['--work-dir', str(run.folder), '--cfg-options', *run.options, *more]
    output = run.folder / 'output.log'
    with output.open('a') as log:
        done = subprocess.run(command, stdout=log, stderr=log, pass_fds=[lock.fileno()])
    if done.returncode:
        end = '\n'.join(output.read_text().splitlines()[-5:])
        raise RuntimeError(f'{run.title}: tools/{name} failed, see {output}:\n{end}')


def carry_out_all(runs: Sequence[Run], jobs: int) -> None:
    """Carry out runs, some at once. The first failure or an interruption ends the rest."""
    pool = ThreadPoolExecutor(jobs)
    try:
        for number, run in enumerate(pool.map(carry_out, runs), 1):
            say(f'{number} of {len(runs)}: {run.title}')
    finally:
        pool.shutdown(cancel_futures=True)


def say(text: str) -> None:
    """Print a line with the time of day."""
    print(f'[{time.strftime("%H:%M:%S")}] {text}', flush=True)


def iterations_of(args: argparse.Namespace, plan: Callable[..., Run]) -> dict[str, int]:
    """Return the number of iterations of each row's training; 0 for the start as it is.

    The time of an iteration is measured by short trainings of all rows in turn, several times; of
    each iteration the median counts, as a machine's speed changes within seconds. The mean is
    kept in calibration.json, so that all seeds and later calls have the same number.

    Args:
        args: of the command line.
        plan: returns a row's run of a number of iterations in a folder.
    """
    if args.iterations:
        return {name: args.iterations * ROWS[name].trained for name in args.rows}
    path = args.work_dir / 'calibration.json'
    known = json.loads(path.read_text()) if path.is_file() else {}
    data = args.data_root or args.difficulty
    settings = dict(
        threads=args.threads, data=data, template=args.template, cfg_options=args.cfg_options
    )
    seconds = known.get('seconds', {}) if known.get('settings') == settings else {}
    timed = {name: ROWS[name].timed_as or name for name in args.rows if ROWS[name].trained}
    missing = sorted({*timed.values()} - {*seconds})
    rounds = []
    for turn in range(ROUNDS if missing else 0):
        say(f'timing iterations, round {turn + 1} of {ROUNDS}')
        rounds.append({name: time_iterations(plan, name, turn) for name in missing})
    for name in missing:
        seconds[name] = float(np.median([found[name] for found in rounds], axis=0).mean())
    path.write_text(json.dumps(dict(settings=settings, seconds=seconds), indent=1) + '\n')
    return {
        name: max(1, round(args.budget_seconds / seconds[timed[name]])) if name in timed else 0
        for name in args.rows
    }


def time_iterations(plan: Callable[..., Run], name: str, turn: int) -> np.ndarray:
    """Return the seconds of each iteration of a short training of a row, without the first two."""
    folder = Path('calibration', f'{name}_{turn}')
    run = plan(name, folder=folder, iterations=TIMED)
    run.folder.mkdir(parents=True, exist_ok=True)
    each = ['default_hooks.logger.interval=1', 'log_processor.window_size=1']
    with (run.folder / '.lock').open('w') as lock:
        call(run, lock, 'train.py', run.path, more=[f'load_from={run.start}', *each])
    return read_scalars(find_scalars(run.folder))['time'][2:, 1]


def milliseconds(runs: dict[str, Run], rounds: int = 3) -> dict[str, float]:
    """Return each row's median time of a frame, all rows in turn on the same frames.

    From a frame in memory to its masks and run lengths; a frame is a batch of its own.
    """
    models, frames = {}, []
    for name, run in runs.items():
        config = run.config
        init_default_scope(config.default_scope)
        models[name] = MODELS.build(config.model).to(get_device()).eval()
        load_model(models[name], str(run.checkpoint))
        if not frames:
            dataset = DATASETS.build(config.test_dataloader.dataset)
            frames = [dataset[index] for index in range(min(48, len(dataset)))]
    spent: dict[str, list[float]] = {name: [] for name in models}
    for frame in frames * rounds:
        for name, model in models.items():
            batch = pseudo_collate([copy.deepcopy(frame)])
            begin = time.perf_counter()
            model.test_step(batch)
            spent[name].append(time.perf_counter() - begin)
    return {name: 1000 * float(np.median(seconds)) for name, seconds in spent.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison."""
    print_anything()
    args = parse_args(arguments)
    os.environ['OMP_NUM_THREADS'] = str(args.threads)
    torch.set_num_threads(args.threads)
    args.work_dir.mkdir(parents=True, exist_ok=True)
    if not args.data_root:
        more = [] if args.difficulty == 'easy' else ['--difficulty', args.difficulty]
        run_demo.run_tool('dataset_converters/generate_embedded.py', generated_root(args), *more)
    starts = {}
    if args.start is None:
        for seed in args.seeds:
            folder = args.work_dir / f'seed_{seed}' / 'start'
            starts[seed] = plan_run(args, START, folder, seed, None, args.start_iterations)
        carry_out_all(list(starts.values()), args.jobs)

    def plan(name: str, seed: int = args.seeds[0], *, folder: Path, iterations: int) -> Run:
        start = args.start or starts[seed].checkpoint
        return plan_run(args, ROWS[name], args.work_dir / folder, seed, start, iterations)

    iterations = iterations_of(args, plan)
    say(f'iterations: {iterations}')
    runs = {}
    for seed, name in itertools.product(args.seeds, iterations):
        # a start that all seeds share is tested once
        owner = args.seeds[0] if args.start and not iterations[name] else seed
        folder = Path(f'seed_{owner}', name)
        runs[name, seed] = plan(name, owner, folder=folder, iterations=iterations[name])
    carry_out_all(list(dict.fromkeys(runs.values())), args.jobs)
    say('timing a frame of all rows')
    speed = milliseconds({name: runs[name, args.seeds[0]] for name in args.rows})
    facts, folders = {}, {}
    for name in args.rows:
        facts[ROWS[name].title] = dict(iterations=iterations[name], ms_per_frame=speed[name])
        folders[ROWS[name].title] = [runs[name, seed].folder for seed in args.seeds]
    truth = truth_of(next(iter(runs.values())).config)
    say('scoring all runs, on resampled videos too')
    write_report(args.work_dir, vars(args), truth, folders, facts)


if __name__ == '__main__':
    try:
        main()
    except RuntimeError as error:
        sys.exit(f'error: {error}')

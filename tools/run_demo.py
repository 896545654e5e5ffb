"""The whole way in one go: data, training, test, figures, pictures; `make demo` calls it.

python tools/run_demo.py [--config CONFIG] [--work-dir DIR] [--cfg-options KEY=VALUE ...]

Runs the commands of the README one after another and leaves all they make in the work folder.
Existing files are used again, and an interrupted training resumes. A changed config starts
anew, and the old folder is kept beside the new one as DIR_before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
from mmengine.config import Config

from rocovis_mm.console import print_anything, text_table
from rocovis_mm.datasets.embedded import EmbeddedRecipe
from rocovis_mm.evaluation.functional.report import percent
from rocovis_mm.utils import OptionAction, load_run_config
from rocovis_mm.visualization.compositions import write_pictures
from rocovis_mm.visualization.curves import draw_curves, find_scalars, read_scalars
from rocovis_mm.visualization.video_results import load_drawn_videos

TOOLS = Path(__file__).resolve().parent
COLUMNS = {
    'AP': 'AP',
    'AP50': 'AP50',
    'AP75': 'AP75',
    'AR1': 'AR1',
    'AP^B': 'AP_boundary',
    'AP^B 50': 'AP50_boundary',
    'AP^B 75': 'AP75_boundary',
    'AP^Pool': 'AP_pool',
}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', type=Path, default='configs/rocovis/rocovis_demo.py')
    parser.add_argument('--work-dir', type=Path, default='work_dirs/demo')
    parser.add_argument('--score-thr', type=float, default=0.3, help='of the tracks drawn [0.3]')
    parser.add_argument('--cfg-options', nargs='+', default=[], help='as of tools/train.py')
    return parser.parse_args()


def say(text: str) -> None:
    """Print a line that is visible between the logs."""
    print(f'\n=== {text}', flush=True)


def run_tool(name: str, *arguments: object, quiet: bool = False) -> None:
    """Run another tool. Its failure ends the demo with its exit status."""
    command = [sys.executable, str(TOOLS / name), *map(str, arguments)]
    print('$ python', ' '.join([f'tools/{name}', *command[2:]]), flush=True)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL if quiet else None)
    while process.poll() is None:
        with suppress(KeyboardInterrupt):  # the tool has Ctrl-C too, and ends in order
            process.wait()
    if process.returncode:
        sys.exit(process.returncode)


def parse_options(options: list[str]) -> dict | None:
    """Read ``key=value`` texts as ``--cfg-options`` does."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction)
    return parser.parse_args(['--cfg-options', *options] if options else []).cfg_options


def set_older_run_aside(work_dir: Path, config: Config, facts: object = None) -> None:
    """Make the work folder one of this config, moving away that of another.

    Args:
        work_dir: the folder.
        config: of the run.
        facts: of the data and the start; the demo's recipe where there are none.
    """
    facts = facts or asdict(EmbeddedRecipe())
    content = json.dumps([config.to_dict(), facts], sort_keys=True, default=str)
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    note = work_dir / 'config.sha256'
    if note.is_file() and note.read_text('utf-8') != fingerprint:
        before = work_dir.with_name(f'{work_dir.name}_before')
        say(f'the config has changed: moving {work_dir} to {before}')
        shutil.rmtree(before, ignore_errors=True)
        work_dir.rename(before)
    work_dir.mkdir(parents=True, exist_ok=True)
    note.write_text(fingerprint, 'utf-8')


def train(
    work_dir: Path, config: Config, config_path: Path, options: list[str], quiet: bool = False
) -> Path:
    """Train unless that is done, and return the best checkpoint."""
    newest = work_dir / 'last_checkpoint'
    last = work_dir / f'iter_{config.train_cfg.max_iters}.pth'
    if newest.is_file() and newest.read_text().strip().endswith(last.name):
        say(f'trained already: {last}')
    else:
        say(f'training for {config.train_cfg.max_iters} iterations')
        extra = ['--cfg-options', *options] if options else []
        resume = ['--resume'] if newest.is_file() else []
        arguments = ['--work-dir', work_dir, *resume, *extra]
        run_tool('train.py', config_path, *arguments, quiet=quiet)
    best = sorted(work_dir.glob('best_AP_*.pth'), key=lambda path: path.stat().st_mtime)
    return best[-1] if best else last


def test(
    work_dir: Path,
    checkpoint: Path,
    truth: Path,
    config_path: Path,
    options: list[str],
    quiet: bool = False,
) -> dict[str, float]:
    """Test the checkpoint unless that is done, and return its figures as fractions."""
    results, figures = work_dir / 'results.json', work_dir / 'metrics.json'
    if not figures.is_file() or figures.stat().st_mtime < checkpoint.stat().st_mtime:
        say(f'testing {checkpoint}')
        extra = ['--cfg-options', *options] if options else []
        arguments = ['--work-dir', work_dir, '--out', results, '--format-only', *extra]
        run_tool('test.py', config_path, checkpoint, *arguments, quiet=quiet)
        run_tool('eval_results.py', truth, results, '--out', figures, quiet=True)
    return json.loads(figures.read_text())


def draw(work_dir: Path, truth: Path, images: Path, score_threshold: float) -> list[Path]:
    """Draw results and curves unless that is done; return the pictures' paths."""
    names = ['overlay.mp4', 'overlay.gif', 'contact_sheet.png', 'curves.png']
    paths = [work_dir / name for name in names]
    made = (work_dir / 'metrics.json').stat().st_mtime
    if all(path.is_file() and path.stat().st_mtime >= made for path in paths):
        return paths
    say('drawing')
    videos = load_drawn_videos(truth, work_dir / 'results.json', images, score_threshold)
    write_pictures(videos, work_dir)  # gif and sheet show the first six: none is picked
    draw_curves(read_scalars(find_scalars(work_dir)), paths[-1])
    return paths


def main() -> None:
    """Run the demo."""
    print_anything()
    args = parse_args()
    started = time.perf_counter()
    config = load_run_config(args.config, parse_options(args.cfg_options))
    set_older_run_aside(args.work_dir, config)
    dataset = config.test_dataloader.dataset
    root = Path(dataset.data_root)
    truth, images = root / dataset.ann_file, root / dataset.data_prefix.img
    say(f'generating the data set in {root}')
    run_tool('dataset_converters/generate_embedded.py', root)
    checkpoint = train(args.work_dir, config, args.config, args.cfg_options)
    figures = test(args.work_dir, checkpoint, truth, args.config, args.cfg_options)
    pictures = draw(args.work_dir, truth, images, args.score_thr)
    cells = [percent(figures[name]) for name in COLUMNS.values()]
    say(f'{truth}: videos that the training never saw, in percent')
    print(text_table([list(COLUMNS), cells]))
    for path in (checkpoint, args.work_dir / 'results.json', *pictures):
        print(f'  {path}')
    print(f'done in {(time.perf_counter() - started) / 60:.1f} minutes')


if __name__ == '__main__':
    main()

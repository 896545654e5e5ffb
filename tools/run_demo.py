"""The whole way in one go: data, training, test, figures, pictures; `make demo` calls it.

    python tools/run_demo.py [--config CONFIG] [--work-dir DIR] [--cfg-options KEY=VALUE ...]
    python tools/run_demo.py --data DATA [...]

Runs the commands of the README one after another and leaves all they make in the work folder.
Existing files are used again, and an interrupted training resumes. A changed config starts
anew, and the old folder is kept beside the new one as DIR_before.

DATA is a folder of your own videos with masks; `make demo-real DATA=...` calls it. It contains
either train.json, JPEGImages and, if there is one, val.json, in the YouTube-VIS format; or the
folders JPEGImages/VIDEO and Annotations/VIDEO with a PNG mask for each frame, as DAVIS has them,
and classes.json, if the objects have classes. Without val.json, a fifth of the videos is kept
for the test. Nothing is written into DATA.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
from mmengine.config import Config

from rocovis_mm.console import print_anything, text_table
from rocovis_mm.datasets.embedded import EmbeddedRecipe
from rocovis_mm.evaluation.functional.report import percent
from rocovis_mm.formats.converters.davis import convert_davis
from rocovis_mm.formats.converters.splitting import split_dataset
from rocovis_mm.formats.vis_annotations import read_vis_annotations
from rocovis_mm.utils import OptionAction, load_run_config
from rocovis_mm.visualization.compositions import write_pictures
from rocovis_mm.visualization.curves import draw_curves, find_scalars, read_scalars
from rocovis_mm.visualization.video_results import load_drawn_videos

TEST_SHARE = 0.2
"""Share of a user's videos that the test keeps where there is no val.json."""
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


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data', type=Path, help='folder of your own videos with masks')
    parser.add_argument('--config', type=Path, help='[rocovis_demo.py, or rocovis_lite0_custom.py]')
    parser.add_argument('--work-dir', type=Path, help='[work_dirs/demo, or work_dirs/demo_real]')
    parser.add_argument('--score-thr', type=float, default=0.3, help='of the tracks drawn [0.3]')
    parser.add_argument('--cfg-options', nargs='+', default=[], help='as of tools/train.py')
    args = parser.parse_args(arguments)
    own = args.data is not None
    name = 'rocovis_lite0_custom.py' if own else 'rocovis_demo.py'
    args.config = args.config or Path('configs/rocovis') / name
    args.work_dir = args.work_dir or Path('work_dirs') / ('demo_real' if own else 'demo')
    return args


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


def prepare_own_data(data: Path, folder: Path) -> list[str]:
    """Convert and split a user's videos where that is needed.

    Args:
        data: folder of videos with masks, see the top of this file.
        folder: where new annotation files are written.

    Returns:
        the ``--cfg-options`` that train and test on them.

    Raises:
        FileNotFoundError: the folder has neither layout.
        ValueError: a file in it is not valid; names it and the remedy.
    """
    truth, images, masks = data / 'train.json', data / 'JPEGImages', data / 'Annotations'
    if not images.is_dir() or not (truth.is_file() or masks.is_dir()):
        raise FileNotFoundError(
            f'{data}: it has neither train.json and JPEGImages (YouTube-VIS) nor JPEGImages and '
            'Annotations (DAVIS): docs/own_data.md describes the layouts and the converters'
        )
    files = truth, data / 'val.json'
    if not truth.is_file():
        say(f'reading the masks in {masks}')
        truth, classes = folder / 'all.json', data / 'classes.json'
        class_file = classes if classes.is_file() else None
        tell(convert_davis(images, masks, truth, class_file=class_file, overwrite=True))
    if not all(file.is_file() for file in files):
        say(f'there is no val.json: keeping {TEST_SHARE:.0%} of the videos for the test')
        files = folder / 'train.json', folder / 'val.json'
        tell(split_dataset(truth, files, TEST_SHARE, overwrite=True))
    categories = read_vis_annotations(files[0], with_tracks=False).categories
    return [
        f'data_root={data.resolve()}/',
        *(f'{name}_ann={file.resolve()}' for name, file in zip(('train', 'val'), files)),
        f'classes={tuple(str(category["name"]) for category in categories)}',
    ]


def tell(lines: Sequence[str]) -> None:
    """Print the report of a converter."""
    print(*lines, sep='\n', flush=True)


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demo."""
    print_anything()
    args = parse_args(arguments)
    started = time.perf_counter()
    if args.data is not None:
        try:
            own = prepare_own_data(args.data, args.work_dir.with_name(f'{args.work_dir.name}_data'))
        except (OSError, ValueError) as error:
            sys.exit(f'error: {error}')
        args.cfg_options = [*own, *args.cfg_options]
    config = load_run_config(args.config, parse_options(args.cfg_options))
    set_older_run_aside(args.work_dir, config)
    dataset = config.test_dataloader.dataset
    root = Path(dataset.data_root)
    truth, images = root / dataset.ann_file, root / dataset.data_prefix.img
    if args.data is None:
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

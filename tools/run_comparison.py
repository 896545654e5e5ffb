"""Table 2 of the paper in small: five methods, one size, one budget, the same seeds.

    python tools/run_comparison.py [--data-root DIR --classes a b ...] [--work-dir DIR]

Trains MinVIS, GenVIS, direct query decoding, + instance mask propagation (plain UVLA) and
+ UVLA++ on the embedded data set, or on any YouTube-VIS-style data, tests each, and writes
comparison.md, comparison.json and comparison.png. What is trained already is used again, an
interrupted run goes on. Videos with disappearances, with crossings of look-alikes, and the
rest are scored apart too.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import run_demo  # its registry import comes before any part of mmdet
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from tqdm import tqdm

from rocovis_mm.evaluation.functional.error_analysis import analyze_errors
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.report import name_pooled_stats, name_stats
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.evaluation.functional.video_groups import group_videos
from rocovis_mm.registry import DATASETS, MODELS
from rocovis_mm.utils import load_run_config
from rocovis_mm.utils.checkpoints.fitting import load_model
from rocovis_mm.visualization.comparison import draw_comparison

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
METHODS = {
    'MinVIS': 'minvis/minvis_{}.py',
    'GenVIS (online)': 'genvis/genvis_{}.py',
    'direct query decoding': 'rocovis/rocovis_{}_direct.py',
    '+ mask propagation': 'rocovis/rocovis_{}_imp.py',
    '+ UVLA++': 'rocovis/rocovis_{}.py',
}
SWITCHES = 'ID switches'
FIGURES = {'AP': 'AP', 'AP50': 'AP50', 'AP^B': 'AP_boundary', 'AP^Pool': 'AP_pool'}


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data-root', help='folder of train.json, val.json and JPEGImages')
    parser.add_argument('--classes', nargs='+', help='names, in the order of the json')
    parser.add_argument('--work-dir', type=Path, default='work_dirs/comparison')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--methods', nargs='+', choices=list(METHODS), default=list(METHODS))
    parser.add_argument('--max-iters', type=int, default=400, help='of each training [400]')
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), help='trainings at once, a share of the '
        'cores each [one for each core]'
    )  # fmt: skip
    parser.add_argument('--cfg-options', nargs='+', default=[], help='as of tools/train.py')
    return parser.parse_args(arguments)


def options_of(args: argparse.Namespace, seed: int) -> list[str]:
    """Return the ``--cfg-options`` of one training, the same for all methods."""
    options = [f'randomness.seed={seed}', f'max_iters={args.max_iters}', 'num_workers=0']
    options.append(f'single_frames_until={args.max_iters // 4}')
    if args.data_root:
        options.append(f'half_size_until={args.max_iters // 4}')
        options.append(f'data_root={args.data_root.rstrip("/")}/')
    else:
        options.append(f'val_interval={args.max_iters}')
    if args.classes:
        options.append(f'classes={tuple(args.classes)}'.replace(' ', ''))
    return options + args.cfg_options


def run(args: argparse.Namespace, method: str, seed: int) -> Path:
    """Train and test one method with one seed, unless that is done; return its folder."""
    variant = 'tiny_custom' if args.data_root else 'demo'
    path = CONFIGS / METHODS[method].format(variant)
    options = options_of(args, seed)
    folder = args.work_dir / path.stem / f'seed_{seed}'
    config = load_run_config(path, run_demo.parse_options(options))
    run_demo.set_older_run_aside(folder, config)
    if not (folder / 'metrics.json').is_file():
        checkpoint = run_demo.train(folder, config, path, options, quiet=True)
        run_demo.test(folder, checkpoint, truth_of(config), path, options, quiet=True)
    return folder


def truth_of(config: Config) -> Path:
    """Return the annotation file that a config tests with."""
    dataset = config.test_dataloader.dataset
    return Path(dataset.data_root) / dataset.ann_file


def figures_of(folder: Path, truth_path: Path) -> dict[str, float]:
    """Return a run's figures: of all videos, of each group, and the tracks switched."""
    truth = load_ground_truth(truth_path)
    found = load_predictions(folder / 'results.json', truth)
    figures = {}
    groups = {'': list(truth.videos), **group_videos(truth)}
    for group, videos in groups.items():
        if not videos:
            continue
        part = truth.subset(videos)
        scores = evaluate_tracks(part, found)
        named = {**name_stats(scores), **name_pooled_stats(scores)}
        suffix = f', {group} ({len(videos)} videos)' if group else ''
        for title, name in FIGURES.items():
            figures[f'{title}{suffix}'] = 100 * named[name]
        figures[f'{SWITCHES}{suffix}'] = analyze_errors(part, found).summary()['switched']
    return figures


def milliseconds(folders: dict[str, Path], repeats: int = 3) -> dict[str, float]:
    """Return each method's time a frame, all on the same frames in turn, the best of three.

    From a frame in memory to its masks and RLEs; a frame is a batch of its own.
    """
    models, frames = {}, []
    for method, folder in folders.items():
        config = Config.fromfile(next(folder.glob('*.py')))
        init_default_scope(config.default_scope)
        models[method] = MODELS.build(config.model).eval()
        load_model(models[method], str(last_checkpoint(folder)))
        if not frames:
            dataset = DATASETS.build(config.test_dataloader.dataset)
            frames = [dataset[index] for index in range(min(48, len(dataset)))]
    best = dict.fromkeys(models, float('inf'))
    for _ in range(repeats):
        for method, model in models.items():
            begin = time.perf_counter()
            for frame in frames:
                model.test_step(pseudo_collate([copy.deepcopy(frame)]))
            best[method] = min(best[method], (time.perf_counter() - begin) / len(frames))
    return {method: 1000 * seconds for method, seconds in best.items()}


def last_checkpoint(folder: Path) -> Path:
    """Return the newest checkpoint of a run."""
    return max(folder.glob('*.pth'), key=lambda path: path.stat().st_mtime)


def write_report(
    args: argparse.Namespace, figures: dict[str, dict[str, list[float]]], speed: dict[str, float]
) -> None:
    """Write the table, the figures and the plot."""
    columns = [*FIGURES, SWITCHES]
    groups = [name for name in next(iter(figures.values())) if name not in columns]
    apart = [name for name in groups if name.startswith(('AP,', 'AP^B,', SWITCHES))]
    text = (
        f'{len(args.seeds)} seeds ({", ".join(map(str, args.seeds))}), {args.max_iters} iterations '
        'each; mean ± standard deviation over the seeds, AP in percent.\n\n'
        f'{table(figures, columns, speed)}\n\n{table(figures, apart)}\n'
    )
    (args.work_dir / 'comparison.md').write_text(text)
    content: dict[str, Any] = dict(
        seeds=args.seeds, max_iters=args.max_iters, figures=figures, ms_per_frame=speed
    )
    (args.work_dir / 'comparison.json').write_text(json.dumps(content, indent=1) + '\n')
    draw_comparison(figures, columns, args.work_dir / 'comparison.png')
    print(text)


def table(
    figures: dict[str, dict[str, list[float]]],
    columns: Sequence[str],
    speed: dict[str, float] | None = None,
) -> str:
    """Return a Markdown table: a row for each method, mean and spread in each column."""
    rows = [['', *columns, *(['ms per frame'] if speed else [])]]
    rows.append(['---'] * len(rows[0]))
    for method, values in figures.items():
        cells = [f'{np.mean(values[c]):.1f} ± {np.std(values[c]):.1f}' for c in columns]
        rows.append([method, *cells, *([f'{speed[method]:.1f}'] if speed else [])])
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison."""
    args = parse_args(arguments)
    os.environ['OMP_NUM_THREADS'] = str(max(1, os.cpu_count() // args.jobs))
    torch.set_num_threads(1)
    if not args.data_root:
        config = load_run_config(CONFIGS / METHODS['+ UVLA++'].format('demo'), None)
        run_demo.run_tool('dataset_converters/generate_embedded.py', truth_of(config).parent)
    tasks = [(method, seed) for seed in args.seeds for method in args.methods]
    with ThreadPoolExecutor(args.jobs) as pool:
        runs = pool.map(lambda task: run(args, *task), tasks)
        folders = dict(zip(tasks, tqdm(runs, 'trainings', len(tasks), unit='run')))
    figures: dict[str, dict[str, list[float]]] = {}
    for (method, _), folder in folders.items():
        config = Config.fromfile(next(folder.glob('*.py')))
        for name, value in figures_of(folder, truth_of(config)).items():
            figures.setdefault(method, {}).setdefault(name, []).append(value)
    run_demo.say('timing')
    speed = milliseconds({method: folders[method, args.seeds[0]] for method in args.methods})
    write_report(args, figures, speed)


if __name__ == '__main__':
    main()

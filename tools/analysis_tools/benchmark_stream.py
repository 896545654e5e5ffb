"""Does a stream grow? Peak memory and time per frame of short and long videos, side by side.

    python tools/analysis_tools/benchmark_stream.py CONFIG [CHECKPOINT] --frames 100 1000
    python tools/analysis_tools/benchmark_stream.py CONFIG [CHECKPOINT] --frames 100 1000 --demo

Each length runs in a process of its own. Without a checkpoint the weights are random, which
is the worst case: nearly every query has a mask in every frame.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import numpy as np
import torch

from rocovis_mm.apis import RoCoVISInferencer, write_json
from rocovis_mm.console import print_anything
from rocovis_mm.utils import OptionAction, load_config
from rocovis_mm.utils.memory import peak_bytes
from rocovis_mm.visualization.media import write_mp4

WARM_UP = 5
"""Frames that are not timed."""
DEMO = Path(__file__).resolve().parents[2] / 'demo' / 'video_demo.py'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Memory and time of short and long streams')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', nargs='?', help='checkpoint file; random weights without')
    parser.add_argument('--frames', type=int, nargs='+', default=[100, 1000], help='lengths')
    parser.add_argument(
        '--size', type=int, nargs=2, default=[360, 640], metavar=('HEIGHT', 'WIDTH')
    )
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, ...')
    parser.add_argument('--keep-masks', action='store_true', help='hold all masks in memory')
    parser.add_argument('--memory-frames', type=int, help='most past frames to remember')
    parser.add_argument(
        '--demo', action='store_true', help='measure demo/video_demo.py, writing all it can'
    )
    parser.add_argument('--out', help='json file for the figures')
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction, help='key=value ...')
    parser.add_argument(
        '--allow-missing', action='store_true', help='weights that the checkpoint lacks stay random'
    )
    parser.add_argument('--alone', action='store_true', help=argparse.SUPPRESS)
    return parser.parse_args()


def drifting_frames(number: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield (H, W, 3) uint8 frames of blurred noise that moves."""
    rng = np.random.default_rng(0)
    side = -(-max(size) // 16) + 2
    coarse = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    still = np.kron(coarse, np.ones((16, 16, 1), np.uint8))
    for n in range(number):
        yield np.roll(still, (n, 2 * n), (0, 1))[: size[0], : size[1]].copy()


def measure_stream(args: argparse.Namespace) -> dict[str, float]:
    """Push frames in this process."""
    (number,) = args.frames
    config = load_config(args.config, args.cfg_options)
    inferencer = RoCoVISInferencer(
        config, args.checkpoint, args.device, allow_missing=args.allow_missing
    )
    times = []
    with inferencer.stream(keep_masks=args.keep_masks, memory_frames=args.memory_frames) as stream:
        for frame in drifting_frames(number, tuple(args.size)):
            start = time.perf_counter()
            stream.push(frame)
            times.append(time.perf_counter() - start)
    part = max(1, (number - WARM_UP) // 4)
    timed = times[WARM_UP:] or times
    figures = dict(
        frames=number,
        peak_mb=peak_bytes() / 2**20,
        first_quarter_ms=1000 * statistics.median(timed[:part]),
        last_quarter_ms=1000 * statistics.median(timed[-part:]),
    )
    if torch.cuda.is_initialized():
        figures['gpu_peak_mb'] = torch.cuda.max_memory_allocated() / 2**20
    return figures


def run_alone(args: argparse.Namespace, number: int) -> dict[str, float]:
    """Measure one length in a new process."""
    words = [sys.executable, __file__, *sys.argv[1:], '--alone', '--frames', str(number)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout.splitlines()[-1])


def measure_demo(args: argparse.Namespace, number: int, folder: Path) -> dict[str, float]:
    """Run the demo on an mp4 of drifting noise, in a new process."""
    video = write_mp4(folder / f'{number}.mp4', drifting_frames(number, tuple(args.size)), fps=25.0)
    out = folder / str(number)
    words = [sys.executable, DEMO, video, args.config, args.checkpoint, '--device', args.device]
    words += ['--out', f'{out}.out.mp4', '--masks', f'{out}.masks', '--score-thr', '0.0']
    words += ['--results-jsonl', f'{out}.jsonl']
    if args.memory_frames:
        words += ['--memory-frames', args.memory_frames]
    if args.allow_missing:
        words.append('--allow-missing')
    if args.cfg_options:
        words += ['--cfg-options', *(f'{key}={value}' for key, value in args.cfg_options.items())]
    start = time.perf_counter()
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f'error: the demo ended with status {status}')
    unit = 1 if sys.platform == 'darwin' else 1024
    seconds = time.perf_counter() - start
    return dict(frames=number, peak_mb=usage.ru_maxrss * unit / 2**20, seconds=seconds)


def random_checkpoint(args: argparse.Namespace, folder: Path) -> Path:
    """Write random weights for the demo, which asks for some."""
    model = RoCoVISInferencer(load_config(args.config, args.cfg_options), device='cpu').model
    torch.save(dict(state_dict=model.state_dict()), folder / 'random.pth')
    return folder / 'random.pth'


def report(rows: list[dict[str, float]]) -> None:
    """Print the figures and how the longest compares with the shortest."""
    names = list(rows[0])
    print('  '.join(f'{name:>16}' for name in names))
    for row in rows:
        print('  '.join(f'{row[name]:16.1f}' for name in names))
    ratio = rows[-1]['peak_mb'] / rows[0]['peak_mb']
    print(f'peak memory of the last against the first: {ratio:.3f}')


def main() -> None:
    """Measure."""
    print_anything()
    args = parse_args()
    if args.alone:
        try:
            print(json.dumps(measure_stream(args)))
        except (OSError, ValueError) as error:
            sys.exit(f'error: {error}')
        return
    if args.demo:
        with tempfile.TemporaryDirectory() as folder:
            args.checkpoint = args.checkpoint or random_checkpoint(args, Path(folder))
            rows = [measure_demo(args, number, Path(folder)) for number in args.frames]
    else:
        rows = [run_alone(args, number) for number in args.frames]
    report(rows)
    if args.out:
        write_json(args.out, rows)


if __name__ == '__main__':
    main()

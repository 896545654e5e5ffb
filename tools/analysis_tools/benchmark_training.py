"""Measure the cost of training switches, in peak memory and time of an iteration.

python tools/analysis_tools/benchmark_training.py CONFIG [--size WIDTH HEIGHT] [--frames T]

Every row of the table is a process of its own, so that none inherits the memory of another.
The data are random images with moving boxes; the model starts from random weights.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import numpy as np
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from rocovis_mm.console import print_anything
from rocovis_mm.engine.hooks import ActivationCheckpointHook
from rocovis_mm.engine.hooks.activation_checkpoint_hook import PARTS, find_modules
from rocovis_mm.models import RoCoVIS
from rocovis_mm.registry import MODELS
from rocovis_mm.utils import OptionAction, load_config, use_mixed_precision
from rocovis_mm.utils.memory import peak_bytes, resident_bytes

INSTANCES = 4
ROWS: dict[str, dict[str, Any]] = {
    'none': {},
    'bfloat16': dict(dtype='bfloat16'),
    'float16': dict(dtype='float16', device='cuda'),
    **{f'recompute {part}': dict(recompute=[part]) for part in PARTS},
    'recompute all of these': dict(recompute=[*PARTS]),
    'bfloat16, recompute all': dict(dtype='bfloat16', recompute=[*PARTS]),
    'detach_every=1': dict(options={'model.track_head.detach_every': 1}, model=RoCoVIS),
    'backbone frozen': dict(options={'model.backbone.frozen_stages': 4}),
    'twice the clips': dict(clips=2),
    'twice the clips, accumulated': dict(accumulate=2),
}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Measure memory and time of training switches')
    parser.add_argument('config', help='config file')
    parser.add_argument('--size', type=int, nargs=2, default=(224, 128), metavar=('W', 'H'))
    parser.add_argument('--frames', type=int, default=3, help='of a clip')
    parser.add_argument('--clips', type=int, default=1, help='in an iteration of a process')
    parser.add_argument('--iterations', type=int, default=3, help='timed, after one that is not')
    parser.add_argument('--rounds', type=int, default=2, help='over all rows; the lowest counts')
    parser.add_argument('--rows', nargs='+', choices=[*ROWS], help='measure these alone')
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction, help='as tools/train.py')
    parser.add_argument('--row', choices=[*ROWS], help=argparse.SUPPRESS)  # in a row's own process
    return parser.parse_args()


def applies(row: dict[str, Any], model: nn.Module) -> bool:
    """Say whether a row makes sense for a model on this machine."""
    parts = row.get('recompute', [])
    return (
        row.get('device', get_device()) == get_device()
        and isinstance(model, row.get('model', nn.Module))
        and (not parts or any(find_modules(model, part) for part in parts))
    )


def clip(number: int, frames: int, size: tuple[int, int]) -> tuple[torch.Tensor, TrackDataSample]:
    """Return a random clip with boxes that move, as a data set gives it."""
    rng = np.random.default_rng(number)
    width, height = size
    images = torch.from_numpy(rng.integers(0, 256, (frames, 3, height, width), np.uint8))
    corners = rng.uniform(0, 0.5, (INSTANCES, 2))
    shown = []
    for t in range(frames):
        masks = np.zeros((INSTANCES, height, width), np.uint8)
        for mask, (x, y) in zip(masks, corners + 0.02 * t):
            top, left = int(y * height), int(x * width)
            mask[top : top + height * 2 // 5, left : left + width * 2 // 5] = 1
        frame = DetDataSample(metainfo=dict(img_shape=(height, width), frame_id=t))
        frame.gt_instances = InstanceData(
            labels=torch.zeros(INSTANCES, dtype=torch.long),
            masks=BitmapMasks(masks, height, width),
            instances_ids=torch.arange(1, INSTANCES + 1),
        )
        shown.append(frame)
    sample = TrackDataSample()
    sample.video_data_samples = shown
    return images, sample


def measure(args: argparse.Namespace, config: Config, row: dict[str, Any]) -> dict[str, float]:
    """Train some iterations as a row says; return peak memory in MB and seconds per iteration."""
    device = get_device()
    init_default_scope(config.get('default_scope', 'mmdet'))
    config.merge_from_dict(row.get('options', {}))
    if 'dtype' in row:
        use_mixed_precision(config, row['dtype'])
    repeats = row.get('accumulate', 1)
    config.optim_wrapper.accumulative_counts = repeats
    torch.manual_seed(0)
    model = MODELS.build(config.model).to(device).train()
    optim = build_optim_wrapper(model, config.optim_wrapper)
    if 'recompute' in row:
        parts = [part for part in row['recompute'] if find_modules(model, part)]
        ActivationCheckpointHook(parts).before_train(SimpleNamespace(model=model))
    clips = [clip(n, args.frames, args.size) for n in range(args.clips * row.get('clips', 1))]
    before, seconds = memory_now(), []  # the weights count on a GPU
    for _ in range(args.iterations + 1):
        start = time.perf_counter()
        for _ in range(repeats):
            images, samples = map(list, zip(*clips))
            data = dict(inputs=dict(img=images), data_samples=copy.deepcopy(samples))
            model.train_step(data, optim)
        if device == 'cuda':
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return dict(memory=memory_peak() - before, seconds=statistics.median(seconds[1:]))


def memory_now() -> float:
    """Return the resident memory of this process in MB; 0 where a GPU is measured."""
    return 0.0 if get_device() == 'cuda' else resident_bytes() / 1e6


def memory_peak() -> float:
    """Return the highest memory in MB: of the GPU's allocator, or resident."""
    if get_device() == 'cuda':
        return torch.cuda.max_memory_allocated() / 1e6
    return peak_bytes() / 1e6


def main() -> None:
    """Measure all rows and print the table."""
    print_anything()
    args = parse_args()
    config = load_config(args.config, args.cfg_options)
    if args.row:
        print(json.dumps(measure(args, config, ROWS[args.row])))
        return
    init_default_scope(config.get('default_scope', 'mmdet'))
    model = MODELS.build(config.model)
    wanted = args.rows or [name for name, row in ROWS.items() if applies(row, model)]
    rows = ['none', *(name for name in wanted if name != 'none')]
    del model
    print(
        f'{Path(args.config).name}, {args.clips} x {args.frames} frames of {args.size[0]} x '
        f'{args.size[1]}, on {get_device()}\n\n| switch | peak memory | time of an iteration |\n'
        '|---|---|---|',
        flush=True,
    )
    rounds = [{name: in_own_process(name) for name in rows} for _ in range(args.rounds)]
    lowest = {
        name: {key: min(figures[name][key] for figures in rounds) for key in rounds[0][name]}
        for name in rows
    }
    first = lowest['none']
    for name, found in lowest.items():
        cells = [
            f'{found["memory"]:.0f} MB ({found["memory"] / first["memory"]:.2f}x)',
            f'{found["seconds"]:.2f} s ({found["seconds"] / first["seconds"]:.2f}x)',
        ]
        print(f'| {name} | {" | ".join(cells)} |')


def in_own_process(row: str) -> dict[str, float]:
    """Measure a row in a process of its own, with the arguments of this one."""
    command = [sys.executable, '-W', 'ignore', __file__, *sys.argv[1:], f'--row={row}']
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == '__main__':
    main()

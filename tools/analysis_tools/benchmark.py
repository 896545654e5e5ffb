"""Time, memory and arithmetic of a frame: ours side by side with MMDetection's Mask2Former.

    python tools/analysis_tools/benchmark.py
    python tools/analysis_tools/benchmark.py --device cuda --dtype bf16 --compile
    python tools/analysis_tools/benchmark.py --costs
    python tools/analysis_tools/benchmark.py --growth 100 1000 --methods RoCoVIS
    python tools/analysis_tools/benchmark.py --models CONFIG,CHECKPOINT model.onnx model.xml@bf16

All models run in one process, on the same frames and, where they have them in common, the same
weights, in turns: frame by frame one model after the other, so that whatever else the machine does
meets all of them. Medians over the frames are printed, and ratios to MMDetection's own frame-level
Mask2Former. The weights are random; the bias of "no object" is set so that a handful of queries
are foreground (--objects), as with a trained model. docs/speed.md says how to read the tables.
--models runs trained models and exported files instead, as streams, with ratios to the first.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import cv2
import numpy as np
import torch
from benchmark_models import (
    MASK2FORMER,
    METHODS,
    NETWORK,
    OFFLINE,
    STAGES,
    ClipByClip,
    FrameByFrame,
    Stopwatch,
    build,
    let_some_detections_see,
    let_some_queries_see,
    share_weights,
)
from benchmark_runtimes import print_models, race_models
from mmengine.registry import init_default_scope
from torch.utils.flop_counter import FlopCounterMode

from rocovis_mm.compat.deformable_kernels import has_triton_kernel
from rocovis_mm.console import print_anything, text_table
from rocovis_mm.datasets.embedded import plan_scene, render_video
from rocovis_mm.formats.frame_files import list_images
from rocovis_mm.models import IDOL
from rocovis_mm.utils import OptionAction
from rocovis_mm.utils.memory import peak_bytes

CLIP = 12
"""Frames that are drawn. A longer video repeats them."""
CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
"""``cpu`` counts this process alone: for a machine that others use."""
MEMORIES = (1, 2, 3, 5)
"""Memory lengths of ``--costs``. The shipped one is among them."""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda or cuda:1')
    parser.add_argument('--dtype', choices=['float32', 'bf16'], default='float32')
    parser.add_argument('--compile', action='store_true', help='torch.compile the network')
    parser.add_argument('--threads', type=int, default=2, help='of the CPU')
    parser.add_argument(
        '--clock', choices=list(CLOCKS), default='wall', help="cpu: this process's own seconds"
    )
    parser.add_argument('--size', default='360x640', help='height x width of the frames')
    parser.add_argument('--frames', type=int, default=10, help='frames that count')
    parser.add_argument('--model-size', choices=['r50', 'tiny'], default='r50')
    online = [name for name in METHODS if name not in OFFLINE]
    parser.add_argument(
        '--methods',
        nargs='+',
        choices=list(METHODS),
        default=online,
        help='contestants [all online ones]; an offline one reads clips of 5 frames',
    )
    parser.add_argument('--propagation-strides', type=int, nargs='*', help='as in the config')
    parser.add_argument('--memory-frames', type=int, help='as in the config')
    parser.add_argument('--objects', type=int, default=10, help='queries that are foreground')
    parser.add_argument('--images', help='folder of frames to take instead of drawn ones')
    parser.add_argument(
        '--models', nargs='+', help='trained: CONFIG,CHECKPOINT, FILE.onnx, FILE.xml, FILE.xml@bf16'
    )
    parser.add_argument(
        '--layers', action='store_true', help='with --models: time of each kind of layer'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionAction, help='with --models: of the configs'
    )
    parser.add_argument('--costs', action='store_true', help='cost of each stride and memory')
    parser.add_argument(
        '--growth', type=int, nargs='+', metavar='FRAMES', help='peak memory of so many frames'
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', help='write the figures as json')
    args = parser.parse_args(arguments)
    try:
        args.height, args.width = (int(side) for side in args.size.split('x'))
    except ValueError:
        parser.error(f'--size {args.size}: give height and width, such as 360x640')
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error(f'--device {args.device}: torch sees no CUDA device')
    if args.frames < 1:
        parser.error(f'--frames {args.frames}: give a number >= 1')
    return args


def write_frames(args: argparse.Namespace, folder: Path) -> list[Path]:
    """Return the files of the frames, which are drawn and written if none are given."""
    if args.images:
        given = list_images(args.images)
        files = [path for path in given if cv2.haveImageReader(str(path))]
        if not files:
            raise FileNotFoundError(f'--images {args.images}: no image in it that OpenCV reads')
        return files
    scene = plan_scene(np.random.default_rng(args.seed), CLIP)
    files = [folder / f'{t:05d}.jpg' for t in range(CLIP)]
    for file, frame in zip(files, render_video(scene, args.height, args.width).frames):
        cv2.imwrite(str(file), frame)
    return files


class Frames:
    """Reads a video's frames from files, again and again."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __call__(self, t: int) -> np.ndarray:
        """Return frame t, BGR (H, W, 3)."""
        return cv2.imread(str(self.files[t % len(self.files)]))


def make_contestants(args: argparse.Namespace, methods: Sequence[str]) -> list[FrameByFrame]:
    """Build the models, share weights, wrap each for its turns."""
    init_default_scope('mmdet')
    torch.manual_seed(args.seed)
    shared = build(MASK2FORMER, args.model_size)
    sides = (-(-side // 32) * 32 for side in (args.height, args.width))
    image = torch.randn(1, 3, *sides)
    let_some_queries_see(shared, image, args.objects)
    device = torch.device(args.device)
    contestants = []
    for name in methods:
        model = shared
        if METHODS[name] is not None:
            model = build(name, args.model_size, args.propagation_strides, args.memory_frames)
            share_weights(shared, [model])
            if isinstance(model, IDOL):
                let_some_detections_see(model, image, args.objects)
        half = args.dtype == 'bf16'
        kind = ClipByClip if name in OFFLINE else FrameByFrame
        contestants.append(kind(name, model, device, half, args.compile, CLOCKS[args.clock]))
    return contestants


def race(args: argparse.Namespace, frames: Frames) -> dict[str, dict[str, Any]]:
    """Let all methods take turns and return the figures of each."""
    contestants = make_contestants(args, args.methods)
    skipped = CLIP if args.compile else 6  # the memory fills; shapes are compiled
    last = skipped + args.frames
    videos = {c.name: c.run(frames, last + 1) for c in contestants}
    figures = {c.name: {'seconds': []} for c in contestants}
    for t in range(last):
        for contestant in contestants:
            seconds = next(videos[contestant.name])
            if t >= skipped:
                figures[contestant.name]['seconds'].append(seconds)
    for contestant in contestants:
        peak = reset_peak(args.device)
        with count_flops() as counter:
            next(videos[contestant.name])
        figures[contestant.name].update(
            gflop=counter.get_total_flops() / 1e9 / contestant.frames_at_once,
            parameters=sum(p.numel() for p in contestant.model.parameters()) / 1e6,
            peak=peak(),
        )
    return figures


def reset_peak(device: str) -> Callable[[], int | None]:
    """Return a function for the most bytes in use on a GPU from now on; None elsewhere."""
    if not device.startswith('cuda'):
        return lambda: None
    torch.cuda.reset_peak_memory_stats(device)
    return lambda: torch.cuda.max_memory_allocated(device)


def count_flops() -> FlopCounterMode:
    """Return torch's counter, taught fused attention on a CPU and deformable attention.

    A bilinear sample of one channel is four products and their sum, 8 FLOP, whether it is
    done by ``grid_sample`` or as four rows of a weighted sum.
    """

    def sampled(value: Any, grid: Any, *args: Any, out_val: Any = None, **kwargs: Any) -> int:
        return 8 * out_val.numel()

    def summed(table: Any, rows: Any, *args: Any, out_val: Any = None, **kwargs: Any) -> int:
        return 2 * rows.numel() * table.shape[-1]

    def kernel(value: Any, *args: Any, out_val: Any = None, **kwargs: Any) -> int:
        return 8 * args[3].numel() * value.shape[-1]  # of the weights

    def attended(query: Any, key: Any, *args: Any, out_val: Any = None, **kwargs: Any) -> int:
        return 4 * query.numel() * key.shape[-2]  # query times key, weights times value

    def raw(function: Any) -> Any:
        function._get_raw = True
        return function

    aten = torch.ops.aten
    mapping = {aten.grid_sampler_2d: raw(sampled)}
    mapping.update(
        {aten._embedding_bag_forward_only: raw(summed), aten._embedding_bag: raw(summed)}
    )
    if has_triton_kernel():
        mapping[torch.ops.rocovis_mm.deformable_attention] = raw(kernel)
    if hasattr(aten, '_scaled_dot_product_flash_attention_for_cpu'):  # torch >= 2.2
        mapping[aten._scaled_dot_product_flash_attention_for_cpu] = raw(attended)
    return FlopCounterMode(display=False, custom_mapping=mapping)


def median(frames: Sequence[dict[str, float]], stages: Sequence[str]) -> float:
    """Return the median over the frames of the sum of some stages, in milliseconds."""
    return 1e3 * statistics.median(sum(f.get(stage, 0.0) for stage in stages) for f in frames)


def ratio(figures: dict[str, dict[str, Any]], name: str, stages: Sequence[str]) -> str:
    """Return the median over the frames of a method's time over MMDetection's of that frame."""
    if MASK2FORMER not in figures:
        return ''
    pairs = zip(figures[name]['seconds'], figures[MASK2FORMER]['seconds'])
    ratios = [
        sum(a.get(stage, 0.0) for stage in stages) / sum(b.get(stage, 0.0) for stage in stages)
        for a, b in pairs
    ]
    return f'{statistics.median(ratios):.2f}'


def print_race(figures: dict[str, dict[str, Any]]) -> None:
    """Print one row for each stage and one column for each method."""
    names = list(figures)
    seconds = [figures[name]['seconds'] for name in names]
    inner = STAGES[2:7]
    rows = [['ms a frame', *names]]
    for stage in STAGES:
        rows.append([stage, *(f'{median(s, [stage]):.1f}' for s in seconds)])
    for title, stages in (('network', NETWORK), ('network + post-process', inner), ('all', STAGES)):
        rows.append([title, *(f'{median(s, stages):.1f}' for s in seconds)])
        rows.append([f'{title}, ratio', *(ratio(figures, name, stages) for name in names)])
    rows.append(['frames/s', *(f'{1e3 / median(s, STAGES):.2f}' for s in seconds)])
    for title, key in (('GFLOP a frame', 'gflop'), ('parameters, M', 'parameters')):
        rows.append([title, *(f'{figures[name][key]:.1f}' for name in names)])
    if all(figures[name]['peak'] for name in names):
        rows.append(
            ['device memory, MiB', *(f'{figures[name]["peak"] / 2**20:.0f}' for name in names)]
        )
    print(text_table(rows))


def costs(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return the cost of the calibration at each stride and memory length."""
    init_default_scope('mmdet')
    torch.manual_seed(args.seed)
    model = build('RoCoVIS', args.model_size, (8, 16, 32)).to(args.device)
    decoder = model.track_head.pixel_decoder
    stopwatch = Stopwatch(torch.device(args.device), CLOCKS[args.clock])
    channels = decoder.input_convs[0].conv.out_channels
    sides = [-(-side // 32) * 32 for side in (args.height, args.width)]
    projected = {
        s: torch.randn(1, channels, *(side // s for side in sides), device=args.device)
        for s in decoder.encoder_strides
    }
    positions = dict(zip(decoder.encoder_strides, decoder.geometry(projected).positions))
    found: dict[str, dict[str, float]] = {}
    half = torch.autocast(args.device.split(':')[0], torch.bfloat16, enabled=args.dtype == 'bf16')
    with torch.no_grad(), half:
        for repeat in range(args.frames + 1):
            for stride in decoder.propagation_strides:
                for memory in MEMORIES:
                    module = decoder.propagation[str(stride)]
                    frame = module.remember_itself(projected[stride], positions[stride])
                    past = [[x] * memory for x in frame]
                    windows = decoder.geometry(projected).windows.get(stride)
                    call = (projected[stride], *past, positions[stride], None, windows)
                    entry = found.setdefault(f'{stride} {memory}', {'ms': []})
                    if repeat == 0:
                        with count_flops() as counter:
                            module(*call)
                        entry['gflop'] = counter.get_total_flops() / 1e9
                        continue
                    with stopwatch('propagation'):
                        module(*call)
                    entry['ms'].append(1e3 * stopwatch.take()['propagation'])
    for entry in found.values():
        entry['ms'] = statistics.median(entry['ms'])
    return found


def print_costs(found: dict[str, dict[str, float]]) -> None:
    """Print one row for each stride and one column for each memory length."""
    rows = [['stride', *(f'{m} frame{"s" * (m > 1)}' for m in MEMORIES)]]
    for stride in dict.fromkeys(key.split()[0] for key in found):
        cells = [found[f'{stride} {memory}'] for memory in MEMORIES]
        rows.append([stride, *(f'{c["ms"]:.1f} ms, {c["gflop"]:.2f} GFLOP' for c in cells)])
    print(text_table(rows))


def grow(args: argparse.Namespace, name: str, frames: int, files: list[Path]) -> dict[str, Any]:
    """Run one video and return its peak memory and latencies; for a process of its own."""
    torch.set_num_threads(args.threads)
    (contestant,) = make_contestants(args, [name])
    peak = reset_peak(args.device)
    seconds = [sum(frame.values()) for frame in contestant.run(Frames(files), frames)]
    part = max(len(seconds) // 10, 1)
    early, late = (statistics.median(s) for s in (seconds[part : 2 * part], seconds[-part:]))
    return dict(host=peak_bytes(), device=peak(), early=early, late=late)


def growth(args: argparse.Namespace, files: list[Path]) -> dict[str, dict[str, Any]]:
    """Return peak memory and latency of videos of several lengths."""
    methods = multiprocessing.get_all_start_methods()
    # a fork server imports torch once for all videos
    context = multiprocessing.get_context('forkserver' if 'forkserver' in methods else 'spawn')
    found = {}
    for name in args.methods:
        for frames in args.growth:
            with ProcessPoolExecutor(1, context) as process:  # raises where the process dies
                figures = process.submit(grow, args, name, frames, files).result()
            found[f'{name} {frames}'] = figures
    return found


def print_growth(found: dict[str, dict[str, Any]]) -> None:
    """Print one row for each video."""
    rows = [['method and frames', 'host MiB', 'device MiB', 'ms, 2nd tenth', 'ms, last tenth']]
    for name, entry in found.items():
        device = f'{entry["device"] / 2**20:.0f}' if entry['device'] else ''
        times = (f'{1e3 * entry[key]:.1f}' for key in ('early', 'late'))
        rows.append([name, f'{entry["host"] / 2**20:.0f}', device, *times])
    print(text_table(rows))


def main() -> None:
    """Measure and print."""
    print_anything()
    args = parse_args()
    torch.set_num_threads(args.threads)
    started = time.strftime('%Y-%m-%d %H:%M')
    way = 'compiled' if args.compile else 'eager'
    kind = 'streams' if args.models else f'{args.model_size}, {args.dtype}, {way}'
    print(
        f'{args.size}, {kind}, {args.device}, {args.threads} threads, {args.clock} clock, '
        f'torch {torch.__version__}, {started}'
    )
    with TemporaryDirectory() as folder:
        files = write_frames(args, Path(folder))
        if args.models:
            figures = race_models(args, Frames(files), CLOCKS[args.clock])
            print_models(figures)
        elif args.costs:
            figures = costs(args)
            print_costs(figures)
        elif args.growth:
            figures = growth(args, files)
            print_growth(figures)
        else:
            figures = race(args, Frames(files))
            print_race(figures)
    if args.out:
        Path(args.out).parent.mkdir(parents=True, exist_ok=True)
        Path(args.out).write_text(json.dumps(figures, indent=1))


if __name__ == '__main__':
    main()

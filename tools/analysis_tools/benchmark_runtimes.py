"""Models that run side by side as streams: checkpoints and exported files; for benchmark.py."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmark_models import Stopwatch

from rocovis_mm.apis import RoCoVISInferencer
from rocovis_mm.console import text_table
from rocovis_mm.deployment import ExportedModel, is_exported
from rocovis_mm.deployment.quantising import fitted
from rocovis_mm.streaming.frame_masks import MaskLogits
from rocovis_mm.utils import check_checkpoint, load_config
from rocovis_mm.visualization.live import LiveOverlay

STAGES = ('read', 'prepare', 'network', 'masks', 'tracks', 'run lengths', 'draw')
WARM_UP = 6
"""Frames that do not count: the memory fills, and the runtimes choose their kernels."""
MAKE = MaskLogits.make, MaskLogits.inside
SHOWN_KINDS = 12
"""Kinds of layers that are listed."""


class Streamed:
    """Runs one model as a stream and measures the time of each stage of each frame.

    Args:
        name: ``CONFIG,CHECKPOINT``, an exported file, or ``FILE@bf16``.
        args: of the command line.
        clock: returns the time in seconds.

    Raises:
        OSError: a file is missing.
        ValueError: config and checkpoint do not fit each other, or the file cannot be loaded.
    """

    def __init__(self, name: str, args: argparse.Namespace, clock: Callable[[], float]) -> None:
        self.name = name
        inferencer = open_model(name, args)
        self.stopwatch = Stopwatch(torch.device(args.device), clock)
        self.session = inferencer.stream(**inferencer.live_options)
        self.overlay = LiveOverlay(inferencer.classes)
        self.stopwatch.wrap(self.session, 'pipeline', 'prepare')
        self.stopwatch.wrap(inferencer.engine, 'preprocess', 'prepare')
        self.stopwatch.wrap(inferencer.model, 'step', 'network')

    def run(self, read: Callable[[int], np.ndarray], frames: int) -> Iterator[dict[str, float]]:
        """Push one frame for each `next` and yield stage -> seconds."""
        for t in range(frames):
            with self.stopwatch('read'):
                frame = read(t)
            MaskLogits.make, MaskLogits.inside = (self.stopwatch.timed(x, 'masks') for x in MAKE)
            try:
                with self.stopwatch('tracks'):
                    result = self.session.push(frame)
            finally:
                MaskLogits.make, MaskLogits.inside = MAKE
            with self.stopwatch('run lengths'):
                result.encode()
            with self.stopwatch('draw'):
                self.overlay.draw(frame[..., ::-1], result.masks, result.ids, result.labels)
            yield self.stopwatch.take()


def open_model(name: str, args: argparse.Namespace) -> RoCoVISInferencer:
    """Return the inferencer of a name as :class:`Streamed` takes it."""
    path, _, precision = name.partition('@')
    if is_exported(path):
        return RoCoVISInferencer(
            path, device=args.device, precision=precision or None, threads=args.threads
        )
    config, comma, checkpoint = name.partition(',')
    if not comma:
        raise ValueError(
            f'--models {name}: give CONFIG,CHECKPOINT with a comma, or a file that ends in .onnx '
            'or .xml, or FILE.xml@bf16'
        )
    check_checkpoint(checkpoint)
    return RoCoVISInferencer(load_config(config, args.cfg_options), checkpoint, args.device)


def race_models(
    args: argparse.Namespace, read: Callable[[int], np.ndarray], clock: Callable[[], float]
) -> dict[str, dict[str, Any]]:
    """Let the models take turns, frame by frame, and return stage -> seconds of each frame."""
    contestants = [Streamed(name, args, clock) for name in args.models]
    last = WARM_UP + args.frames
    videos = {c.name: c.run(read, last) for c in contestants}
    figures: dict[str, dict[str, Any]] = {c.name: {'seconds': []} for c in contestants}
    for t in range(last):
        for name, video in videos.items():
            seconds = next(video)
            if t >= WARM_UP:
                figures[name]['seconds'].append(seconds)
    if args.layers:
        for name in filter(lambda x: is_exported(x.partition('@')[0]), args.models):
            figures[name]['layers'] = layer_times(name, args, read)
    return figures


def layer_times(
    name: str, args: argparse.Namespace, read: Callable[[int], np.ndarray]
) -> dict[str, float]:
    """Return the seconds of each kind of layer for a frame, as the runtime measures them."""
    path, _, precision = name.partition('@')
    model = ExportedModel(path, args.device, precision or None, args.threads, profile=True)
    state, frames = model.first_state(), WARM_UP + args.frames
    for frame in islice(fitted(model, map(read, range(frames))), frames):
        *_, state = model.step(frame, state)
    found = model.runtime.layer_times()
    return {kind: seconds / frames for kind, seconds in found.items()}


def print_models(figures: dict[str, dict[str, Any]]) -> None:
    """Print one row for each stage and one column for each model, then the kinds of layers."""
    seconds = {name: entry['seconds'] for name, entry in figures.items()}
    first = next(iter(seconds.values()))
    rows = [['ms a frame', *(short(name) for name in seconds)]]
    for stage in STAGES:
        rows.append([stage, *(f'{median(s, [stage]):.1f}' for s in seconds.values())])
    for title, stages in (('all', STAGES), ('network', ['network'])):
        if title == 'all':
            rows.append([title, *(f'{median(s, stages):.1f}' for s in seconds.values())])
        ratios = (median_ratio(s, first, stages) for s in seconds.values())
        rows.append([f'{title}, ratio to the first', *(f'{x:.2f}' for x in ratios)])
    rows.append(['frames/s', *(f'{1e3 / median(s, STAGES):.2f}' for s in seconds.values())])
    print(text_table(rows))
    for name, entry in figures.items():
        if 'layers' in entry:
            print(f'\n{name}: kinds of layers\n{layer_table(entry["layers"])}')


def layer_table(layers: dict[str, float]) -> str:
    """Return a table of the kinds of layers that take the most time."""
    whole = sum(layers.values())
    ordered = sorted(layers.items(), key=lambda item: -item[1])
    shown, rest = ordered[:SHOWN_KINDS], ordered[SHOWN_KINDS:]
    if rest:
        shown.append((f'{len(rest)} others', sum(seconds for _, seconds in rest)))
    cells = [[kind, f'{1e3 * x:.2f}', f'{100 * x / whole:.0f}'] for kind, x in shown]
    return text_table([['kind', 'ms a frame', '%'], *cells])


def median(frames: list[dict[str, float]], stages: list[str] | tuple[str, ...]) -> float:
    """Return the median over the frames of the sum of some stages, in milliseconds."""
    return 1e3 * statistics.median(sum(f.get(stage, 0.0) for stage in stages) for f in frames)


def median_ratio(
    frames: list[dict[str, float]],
    first: list[dict[str, float]],
    stages: list[str] | tuple[str, ...],
) -> float:
    """Return the median over the frames of the time of one model over that of the first."""
    pairs = zip(frames, first)
    totals = ([sum(f.get(stage, 0.0) for stage in stages) for f in pair] for pair in pairs)
    return statistics.median(one / max(other, 1e-9) for one, other in totals)


def short(name: str) -> str:
    """Return the name of a column."""
    return Path(name.partition(',')[0]).stem + ' eager' if ',' in name else Path(name).name

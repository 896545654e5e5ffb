"""Everything that a GPU has to show, in one command: equality, speed, memory, training.

    python tools/analysis_tools/gpu_report.py --out work_dirs/gpu
    python tools/analysis_tools/gpu_report.py --out work_dirs/gpu --parts kernel equality
    python tools/analysis_tools/gpu_report.py --out work_dirs/gpu --data data/davis_events

The parts, in this order:

    versions   the machine and its packages
    kernel     the Triton kernel of deformable attention against grid_sample, and its time
    equality   CPU and GPU, in float32, bfloat16 and float16, eager and as a CUDA graph
    speed      frames per second from image files to tracks, eager and as CUDA graphs
    memory     device memory after 100 and 1000 frames
    training   time and memory of a training step with each switch
    videomt    the network alone by VidEoMT's protocol: float16, batch 1, short side 448
    compiled   the rows of speed by torch.compile, which takes long to begin
    curve      training for the minutes that are left, with its curve

Each part is a json file in the folder --out, and report.md holds the tables of all parts. A row
that fails says why, and the next one follows. Rows that are measured are not measured again, so
a command that ran out of --minutes goes on where it ended. Nothing is downloaded.

A machine that has torch 2.11 (CUDA 13) with Triton, numpy, scipy, matplotlib, pillow, rich, tqdm
and opencv-python-headless needs these wheels beside them, 47 MiB in all for Python 3.12:

    mmengine==0.10.7 mmcv-lite==2.1.0 mmdet==3.3.0 addict yapf platformdirs termcolor
    terminaltables pycocotools shapely setuptools<82 av==15.1.0 anyascii

av (39 MiB) is for curve alone. Scipy is a wheel of 34 MiB and matplotlib one of 9 MiB, which fit
in 60 MiB without av. OpenCV is one of 48 MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import gpu_report_equality
import gpu_report_speed
import gpu_report_training
import torch
from gpu_report_equality import Row
from mmengine.registry import init_default_scope

from rocovis_mm.console import print_anything, tool_parser
from rocovis_mm.formats.json_files import dump_json
from rocovis_mm.formats.whole_files import whole_file

PARTS: dict[str, Callable[[Any], Iterator[Row]]] = {
    'versions': gpu_report_equality.versions,
    'kernel': gpu_report_equality.kernel,
    'equality': gpu_report_equality.equality,
    'speed': gpu_report_speed.speed,
    'memory': gpu_report_speed.memory,
    'training': gpu_report_training.training,
    'videomt': gpu_report_speed.videomt,
    'compiled': gpu_report_speed.compiled,
    'curve': gpu_report_training.curve,
}
REPOSITORY = Path(__file__).resolve().parents[2]
POINTS = 12
"""Points of a curve that the table shows."""


@dataclass
class Settings:
    """The measured models, sizes and amounts.

    Attributes:
        device: where.
        out: folder of the parts.
        model_size: ``r50`` or ``tiny``.
        sizes: (height, width) of the frames.
        frames: that are timed.
        lengths: frames of the videos of ``memory``.
        short_side: of ``videomt``.
        config: of the training.
        data: folder with train.json, val.json and JPEGImages, or None to generate one.
        shared: folder of the published fixtures; it may be missing.
        deadline: when the command ends, by ``time.monotonic``.
        curve_minutes: kept for ``curve``.
        cache: built models.
    """

    device: torch.device
    out: Path
    model_size: str
    sizes: list[tuple[int, int]]
    frames: int
    lengths: list[int]
    short_side: int
    config: str
    data: Path | None
    shared: Path
    deadline: float
    curve_minutes: float
    cache: dict[str, Any] = field(default_factory=dict)

    def left(self, part: str) -> float:
        """Return the seconds that a part may still use."""
        kept = 0.0 if part == 'curve' else 60 * self.curve_minutes
        return self.deadline - kept - time.monotonic()


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments, checked."""
    parser = tool_parser(__doc__)
    parser.add_argument('--out', type=Path, required=True, help='folder of the report')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS))
    parser.add_argument('--minutes', type=float, default=8, help='after which no row begins [8]')
    parser.add_argument(
        '--curve-minutes', type=float, default=2, help='of them that are kept for curve [2]'
    )
    parser.add_argument('--device', default='cuda', help='cuda, or cpu to try the command')
    parser.add_argument('--model-size', choices=['r50', 'tiny'], default='r50')
    parser.add_argument('--sizes', nargs='+', default=['360x640', '480x854'], metavar='HxW')
    parser.add_argument('--short-side', type=int, default=448, help='of videomt [448]')
    parser.add_argument('--frames', type=int, default=30, help='that are timed [30]')
    parser.add_argument('--lengths', type=int, nargs='+', default=[100, 1000], help='of memory')
    parser.add_argument('--config', help='of training and curve [rocovis_r50_custom_scratch.py]')
    parser.add_argument('--data', type=Path, help='train.json, val.json, JPEGImages of curve')
    parser.add_argument('--shared', type=Path, help='folder with the published fixtures')
    args = parser.parse_args(arguments)
    try:
        args.sizes = [tuple(int(side) for side in size.split('x')) for size in args.sizes]
        if any(len(size) != 2 or min(size) < 1 for size in args.sizes):
            raise ValueError
    except ValueError:
        parser.error('--sizes: give height and width, such as 360x640')
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error(f'--device {args.device}: torch sees no CUDA device; --device cpu tries it')
    if args.data and not (args.data / 'train.json').is_file():
        parser.error(f'--data {args.data}: has no train.json')
    return args


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings of a command line."""
    name = f'configs/rocovis/rocovis_{args.model_size}_custom.py'
    if args.model_size == 'r50':
        name = 'configs/rocovis/rocovis_r50_custom_scratch.py'
    shared = os.environ.get('ROCOVIS_SHARED', REPOSITORY.parent / 'shared')
    return Settings(
        device=torch.device(args.device),
        out=args.out,
        model_size=args.model_size,
        sizes=args.sizes,
        frames=args.frames,
        lengths=args.lengths,
        short_side=args.short_side,
        config=args.config or str(REPOSITORY / name),
        data=args.data,
        shared=Path(args.shared or shared),
        deadline=time.monotonic() + 60 * args.minutes,
        curve_minutes=args.curve_minutes if 'curve' in args.parts else 0.0,
    )


def machine(device: torch.device) -> str:
    """Return the device and the torch that figures belong to."""
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'
    return f'{name}, torch {torch.__version__}'


def read_part(path: Path, where: str) -> dict[str, Any]:
    """Return the content of a part's file, or of one that is not begun.

    Raises:
        ValueError: it was measured on another machine.
    """
    if not path.is_file():
        return dict(machine=where, rows={}, left=[])
    content = json.loads(path.read_text())
    if content['machine'] != where:
        raise ValueError(
            f'{path}: was measured on {content["machine"]}, this is {where}: give another --out'
        )
    return content


def measure_part(name: str, settings: Settings, content: dict[str, Any]) -> None:
    """Measure the rows of a part that are missing, and save after each.

    Raises:
        SystemExit: the device does not work any more; another process can go on.
    """
    path = settings.out / f'{name}.json'
    content['left'] = []
    try:
        rows = list(PARTS[name](settings))
    except Exception as error:
        rows = []
        content['rows'][name] = dict(error=reason(error))
    else:
        content['rows'].pop(name, None)  # the error of an earlier listing
    for title, measure in rows:
        if 'error' not in content['rows'].get(title, {'error': ''}):
            continue
        if settings.left(name) <= 0:
            content['left'].append(title)
            continue
        start = time.monotonic()
        try:
            figures = measure()
        except Exception as error:
            figures = dict(error=reason(error))
        content['rows'][title] = dict(figures, took=round(time.monotonic() - start, 1))
        save(path, content)
        print(f'{name}: {title}: {brief(figures)}', flush=True)
        if 'CUDA error' in figures.get('error', ''):
            sys.exit('error: the device failed; run the command again to go on')
    save(path, content)


def reason(error: Exception) -> str:
    """Return an error in one line."""
    text = ' '.join(str(error).split())
    return f'{type(error).__name__}: {text[:300]}'


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a part's file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as stream:
        stream.write(dump_json(content).encode())


def brief(figures: dict[str, Any]) -> str:
    """Return the figures of a row in one line."""
    cells = (f'{k} {cell(v)}' for k, v in figures.items() if not isinstance(v, (list, dict)))
    return ', '.join(cells)


def cell(value: Any) -> str:
    """Return a figure as a table shows it."""
    return f'{value:.4g}' if isinstance(value, float) else str(value).replace('|', '/')


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first row is the head."""
    head, *rest = (f'| {" | ".join(row)} |' for row in rows)
    return '\n'.join([head, '|' + '---|' * len(rows[0]), *rest])


def describe_part(name: str, content: dict[str, Any]) -> str:
    """Return the section of a part in Markdown."""
    rows: dict[str, dict[str, Any]] = content['rows']
    measured = {title: row for title, row in rows.items() if 'error' not in row}
    flat = [k for row in measured.values() for k, v in row.items() if not isinstance(v, list)]
    columns = list(dict.fromkeys(key for key in flat if key != 'took'))
    parts = [f'## {name}', content['machine']]
    if measured:
        body = [[t, *(cell(row.get(c, '')) for c in columns)] for t, row in measured.items()]
        parts.append(table([['', *columns], *body]))
    for row in measured.values():
        points = row.get('curve', [])
        if points:
            shown = points[:: max(len(points) // POINTS, 1)]
            parts.append(
                table([['seconds', 'iteration', 'loss'], *([*map(cell, p)] for p in shown)])
            )
    parts += [f'- {t}: failed: {row["error"]}' for t, row in rows.items() if 'error' in row]
    if content['left']:
        parts.append(f'Not measured, for want of time: {", ".join(content["left"])}')
    return '\n\n'.join(parts)


def write_report(out: Path) -> Path:
    """Write report.md of all parts that are there."""
    found = [name for name in PARTS if (out / f'{name}.json').is_file()]
    text = [describe_part(name, json.loads((out / f'{name}.json').read_text())) for name in found]
    path = out / 'report.md'
    with whole_file(path) as stream:
        stream.write('\n\n'.join(['# GPU report', *text, '']).encode())
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all parts that are asked for; return 2 where another machine measured them."""
    print_anything()
    args = parse_args(arguments)
    settings = settings_of(args)
    init_default_scope('mmdet')
    where = machine(settings.device)
    try:
        for name in args.parts:
            measure_part(name, settings, read_part(settings.out / f'{name}.json', where))
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    finally:
        if settings.out.is_dir():
            write_report(settings.out)
    print(settings.out / 'report.md')
    return 0


if __name__ == '__main__':
    sys.exit(main())

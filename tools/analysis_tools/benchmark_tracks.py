"""Time from a video's logits to its tracks: all masks at once, or those of the tracks at the end.

    python tools/analysis_tools/benchmark_tracks.py
    python tools/analysis_tools/benchmark_tracks.py --frame 720x1280 --device cuda

Logits of moving discs with noise take the place of a network. Both ways give the same tracks; the
tool checks that. Milliseconds a frame are printed: of the frames as they come, of the video's end,
and of both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import torch
from torch import Tensor

from rocovis_mm.console import print_anything, text_table
from rocovis_mm.streaming.frame_masks import frame_masks
from rocovis_mm.streaming.track_recorder import TrackRecorder, TrackRule
from rocovis_mm.structures import VideoTracks

CLOCKS = {'wall': time.perf_counter, 'cpu': time.process_time}
RULES = {
    'GenVIS': TrackRule('max', mask_scoring=True),
    'MinVIS': TrackRule('mean_logits'),
}


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--input', default='360x640', help='height x width the network sees')
    parser.add_argument('--frame', help='height x width of the frames [--input]')
    parser.add_argument('--queries', type=int, default=100)
    parser.add_argument('--classes', type=int, default=40)
    parser.add_argument('--frames', type=int, default=20)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=2, help='of the CPU')
    parser.add_argument('--clock', choices=list(CLOCKS), default='wall')
    args = parser.parse_args(arguments)
    args.frame = args.frame or args.input
    for name in ('input', 'frame'):
        try:
            height, width = map(int, getattr(args, name).split('x'))
        except ValueError:
            parser.error(f'--{name}: give height and width, such as 360x640')
        setattr(args, name, (height, width))
    return args


def draw_logits(args: argparse.Namespace) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield class logits (N, K + 1) and mask logits (N, h, w) of each frame."""
    generator = torch.Generator().manual_seed(0)
    height, width = (-(-side // 32) * 8 for side in args.input)
    rows = torch.arange(height)[:, None]
    columns = torch.arange(width)
    places = torch.rand(args.queries, 2, 1, 1, generator=generator)
    radii = 2 + torch.rand(args.queries, 1, 1, generator=generator) * height / 4
    for frame in range(args.frames):
        down, right = rows - places[:, 0] * height, columns - places[:, 1] * width - frame
        noise = torch.randn(args.queries, height, width, generator=generator)
        masks = radii - (down**2 + right**2).sqrt() + 0.3 * noise
        classes = torch.randn(args.queries, args.classes + 1, generator=generator)
        yield classes.to(args.device), masks.to(args.device)


def run(args: argparse.Namespace, rule: TrackRule, wait: bool) -> tuple[VideoTracks, list[float]]:
    """Return a video's tracks, and the seconds of its frames and of its end."""
    clock = CLOCKS[args.clock]
    padded = tuple(-(-side // 32) * 32 for side in args.input)
    sizes = SimpleNamespace(batch_input_shape=padded, img_shape=args.input, ori_shape=args.frame)
    foreground = torch.ones(args.queries, device=args.device)
    recorder = TrackRecorder(args.queries, args.classes, rule)
    seconds = [0.0, 0.0]
    for classes, logits in draw_logits(args):
        begin = clock()
        masks = frame_masks(classes, logits, foreground, sizes, rule.mask_scoring)
        if wait:
            recorder.add_frame(masks)
        else:
            recorder.add(masks.class_logits, masks.slots, masks.masks, masks.inside)
        seconds[0] += clock() - begin
    begin = clock()
    tracks = recorder.finish(1)
    seconds[1] = clock() - begin
    return tracks, seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    print_anything()
    args = parse_args(arguments)
    torch.set_num_threads(args.threads)
    table = [['ms a frame', 'frames', 'end', 'both']]
    for name, rule in RULES.items():
        found = {}
        for way, wait in (('all masks at once', False), ("the tracks' masks at the end", True)):
            found[way], seconds = run(args, rule, wait)
            shares = [1e3 * part / args.frames for part in (*seconds, sum(seconds))]
            table.append([f'{name}, {way}', *(f'{share:.1f}' for share in shares)])
        one, other = found.values()
        assert one.segmentations == other.segmentations
        assert one.labels.tolist() == other.labels.tolist()
    print(
        f'{args.queries} queries, {args.classes} classes, input {args.input}, frames {args.frame}, '
        f'{args.frames} of them, {args.device}, {args.threads} threads, {args.clock} clock'
    )
    print(text_table(table))


if __name__ == '__main__':
    main()

"""Quantise an exported file to 8-bit integers, calibrated on your own videos.

    python tools/deployment/quantize.py model.xml --videos FOLDER --out model_int8.xml
    python tools/deployment/quantize.py model.onnx --videos FOLDER --out model_int8.onnx

The float file runs over the first frames of each video, each frame with the state that the frames
before it left, and the range of every large layer's input is measured. docs/deployment.md says
which layers stay float. It needs ``pip install -r requirements/export.txt``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import numpy as np

from rocovis_mm.apis.sources import open_source
from rocovis_mm.console import print_anything
from rocovis_mm.deployment import ExportedModel
from rocovis_mm.deployment.quantising import agreement, quantise
from rocovis_mm.formats.frame_files import in_order, list_folders, list_images


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('model', help='.onnx or .xml file of tools/deployment/export.py')
    parser.add_argument(
        '--videos',
        nargs='+',
        required=True,
        help='video files, folders of images, or folders of these: a few dozen varied clips',
    )
    parser.add_argument('--out', required=True, help='file to write, with the same ending')
    parser.add_argument('--frames', type=int, default=10, help='first frames of each video')
    parser.add_argument('--most', type=int, default=30, help='videos, evenly spaced, that are used')
    args = parser.parse_args(arguments)
    for name in ('frames', 'most'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} {getattr(args, name)}: give a number >= 1')
    return args


def find_videos(paths: Sequence[str]) -> list[Path]:
    """Return the videos that paths name. A folder without images contains videos.

    Raises:
        FileNotFoundError: there is no such path, or a folder contains nothing.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f'--videos {path}: no such file or folder')
        inside = [path]
        if path.is_dir() and not list_images(path):
            inside = list_folders(path) or in_order(x for x in path.iterdir() if x.is_file())
        if not inside:
            raise FileNotFoundError(f'--videos {path}: the folder is empty')
        found.extend(inside)
    return found


def read(video: Path) -> Iterable[np.ndarray]:
    """Yield the frames of a video, as far as they are asked for."""
    source = open_source(video)
    try:
        yield from source
    finally:
        source.close()


def run(args: argparse.Namespace) -> None:
    """Quantise the file and compare it with the float one.

    Raises:
        FileNotFoundError: the file or a video is missing.
        ModuleNotFoundError: onnxruntime, OpenVINO or NNCF is not installed.
        ValueError: the file or a video is of another kind.
    """
    videos = find_videos(args.videos)
    count = min(args.most, len(videos))
    chosen = [videos[n * len(videos) // count] for n in range(count)]

    def clips() -> Iterable[Iterable[np.ndarray]]:
        return map(read, chosen)

    number = quantise(args.model, args.out, clips, args.frames)
    same = agreement(ExportedModel(args.model), ExportedModel(args.out), clips, args.frames)
    print(
        f'{args.out}: calibrated on {number} frames of {len(chosen)} videos; its masks and those '
        f'of {args.model} have a mean IoU of {same:.3f} on them'
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Quantise and return the exit status."""
    print_anything()
    args = parse_args(arguments)
    try:
        run(args)
    except (FileNotFoundError, ModuleNotFoundError, ValueError) as error:
        print(f'quantize.py: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())

"""Show the clips that a model is trained or tested on, as it sees them.

    python tools/analysis_tools/browse_dataset.py CONFIG [--out-dir DIR] [--num 12]

A picture for each clip after the whole pipeline, the batch's padding (striped) and the model's
own clip augmentation: ids as colours, absent instances crossed out below each frame. With
--split val or test: frames of each video as they are tested. The same seed gives the same clips.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import numpy as np

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, set_random_seed

from rocovis_mm.console import print_anything
from rocovis_mm.registry import DATASETS, MODELS
from rocovis_mm.utils import OptionAction, load_run_config
from rocovis_mm.visualization.clips import (
    Clip,
    clip_sheet,
    draw_clip,
    inference_clip,
    training_clips,
)
from rocovis_mm.visualization.fonts import use_font
from rocovis_mm.visualization.media import write_gif, write_image, write_mp4


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--out-dir', type=Path, help='of the pictures [<work_dir>/clips]')
    parser.add_argument('--num', type=int, default=12, help='of clips, or videos [12]')
    parser.add_argument('--split', choices=('train', 'val', 'test'), default='train')
    parser.add_argument('--frames', type=int, default=8, help='of a video in testing [8]')
    parser.add_argument('--seed', type=int, default=0, help='of all that is random [0]')
    parser.add_argument('--width', type=int, default=400, help='of a frame in pixels [400]')
    parser.add_argument(
        '--format', nargs='+', choices=('png', 'mp4', 'gif'), default=['png'], help='[png]'
    )
    parser.add_argument('--fps', type=float, default=3.0, help='of mp4 and gif [3]')
    parser.add_argument('--font', type=Path, help='font file to take first for names of classes')
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction, help='override settings')
    args = parser.parse_args()
    if min(args.num, args.frames, args.width) < 1 or args.fps <= 0:
        parser.error('--num, --frames, --width and --fps must be positive')
    return args


def browse_training(config: Config, seed: int) -> Iterator[tuple[Clip, tuple[str, ...]]]:
    """Yield clips and class names, batch by batch as a run of this seed draws them."""
    loader = dict(config.train_dataloader, num_workers=0, persistent_workers=False)
    loader.pop('prefetch_factor', None)
    loader = Runner.build_dataloader(loader, seed=seed)
    preprocessor = MODELS.build(config.model.data_preprocessor)
    augment = config.model.get('clip_augment')
    augment = MODELS.build(augment) if augment else None
    classes = tuple(loader.dataset.metainfo.get('classes', ()))
    for batch in loader:
        for clip in training_clips(batch, preprocessor, augment):
            yield clip, classes


def browse_testing(
    config: Config, split: str, limit: int
) -> Iterator[tuple[Clip, tuple[str, ...]]]:
    """Yield up to `limit` frames of each video, evenly spread, and class names."""
    dataset = DATASETS.build(config[f'{split}_dataloader'].dataset)
    preprocessor = MODELS.build(config.model.data_preprocessor)
    classes = tuple(dataset.metainfo.get('classes', ()))
    for _, own in groupby(range(len(dataset)), key=lambda index: video_of(dataset, index)):
        indices = list(own)
        chosen = np.unique(np.linspace(0, len(indices) - 1, limit).round().astype(int))
        yield inference_clip([dataset[indices[n]] for n in chosen], preprocessor), classes


def video_of(dataset: BaseDataset, index: int) -> int:
    """Return the id of the video that an item is from."""
    video = dataset.get_data_info(index)['video_id']
    return video[0] if isinstance(video, list) else video


def write_clip(
    clip: Clip, classes: tuple[str, ...], path: Path, args: argparse.Namespace
) -> list[Path]:
    """Write a clip in every format of the arguments."""
    frames = list(draw_clip(clip, classes, args.width))
    written = []
    if 'png' in args.format:
        written.append(write_image(path.with_suffix('.png'), clip_sheet(clip, frames)))
    if 'mp4' in args.format:
        even = [frame[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2] for frame in frames]
        written.append(write_mp4(path.with_suffix('.mp4'), even, args.fps))
    if 'gif' in args.format:
        written.append(write_gif(path.with_suffix('.gif'), frames, args.fps))
    return written


def main() -> None:
    """Write the pictures."""
    print_anything()
    args = parse_args()
    try:
        use_font(args.font)
        config = load_run_config(args.config, args.cfg_options)
        init_default_scope(config.get('default_scope', 'mmdet'))
        set_random_seed(args.seed)
        folder = args.out_dir or Path(config.work_dir, 'clips')
        if args.split == 'train':
            clips = browse_training(config, args.seed)
        else:
            clips = browse_testing(config, args.split, args.frames)
        for number, (clip, classes) in enumerate(islice(clips, args.num)):
            path = folder / f'{args.split}_{number:03d}'
            print(*write_clip(clip, classes, path, args), sep='\n')
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()

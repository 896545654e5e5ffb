"""How fast a config's data is loaded, beside a plain loop over OpenCV.

    python tools/analysis_tools/benchmark_loading.py
    python tools/analysis_tools/benchmark_loading.py CONFIG --cfg-options data_root=data/ovis/

Loads the same frames in turn by the config's pipelines and by the plain loop, in one process and
with the same number of worker processes, and prints frames per second of both. Without a config,
`configs/rocovis/rocovis_r50_custom.py` runs on generated videos of --height by --width.

The plain loop is `cv2.imread` and `cv2.resize` to the size that the pipeline ends at, nothing
else: no checks, no crop, no flip, no colours, no change of the channels' order, no samples. For
training there is a second one that decodes the frame's masks as well (`pycocotools`) and resizes
them by the nearest neighbour. With workers, the plain loop's arrays pass a DataLoader of the
same batch size.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATA_SAMPLERS, DATASETS, DefaultScope
from pycocotools import mask as mask_utils
from torch.utils.data import DataLoader, Dataset

from rocovis_mm.console import print_anything, text_table
from rocovis_mm.datasets.embedded import EmbeddedRecipe, make_embedded_dataset
from rocovis_mm.utils import OptionAction, load_config

DEFAULT_CONFIG = Path(__file__).resolve().parents[2] / 'configs/rocovis/rocovis_r50_custom.py'
SPLITS = ('train', 'test')

Frame = tuple[str, tuple[int, int], list[dict[str, Any]]]
"""Path of an image, (width, height) it ends at, run lengths of its masks."""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', nargs='?', help='config file; without it, generated videos')
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction)
    parser.add_argument('--split', nargs='+', choices=SPLITS, default=list(SPLITS))
    parser.add_argument('--workers', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--frames', type=int, default=160, help='loaded in each pass, at least')
    parser.add_argument('--rounds', type=int, default=5, help='the best of so many counts')
    parser.add_argument('--height', type=int, default=720, help='of the generated videos')
    parser.add_argument('--width', type=int, default=1280)
    parser.add_argument('--seed', type=int, default=0, help='of the draws of training clips')
    return parser.parse_args(arguments)


def read_config(options: argparse.Namespace, folder: Path) -> Config:
    """Return the config to measure, on videos generated in `folder` where none is given."""
    if options.config:
        return load_config(options.config, options.cfg_options)
    recipe = EmbeddedRecipe(
        height=options.height,
        width=options.width,
        train_videos=6,
        train_frames=14,
        val_videos=4,
        val_frames=20,
    )
    data = make_embedded_dataset(folder / 'videos', recipe, progress=True)
    classes = ('ball', 'star', 'kite', 'box', 'ring')
    values = dict(data_root=f'{data.root}/', classes=classes)
    return load_config(DEFAULT_CONFIG, {**values, **(options.cfg_options or {})})


def draw_indices(dataset: Dataset, loader: Config, frames: int, seed: int) -> list[int]:
    """Return the sampler's first draws, enough for so many frames."""
    sampler = DATA_SAMPLERS.build(loader.sampler, default_args=dict(dataset=dataset, seed=seed))
    drawn: list[int] = []
    found = 0
    for index in islice(sampler, frames):
        drawn.append(index)
        found += len(dataset[index]['data_samples'])
        if found >= frames:
            break
    return drawn


def plain_frames(dataset: Dataset, index: int) -> list[Frame]:
    """Describe the work of the plain loop for an item."""
    sample = dataset[index]['data_samples']
    codes: dict[int, list[dict[str, Any]]] = {}
    if not dataset.test_mode:
        video = dataset.get_data_info(int(index))
        size = [video['height'], video['width']]
        for frame in {frame.metainfo['frame_id'] for frame in sample}:
            codes[frame] = [
                dict(size=size, counts=instance['counts'][frame])
                for instance in video['instances']
                if instance['areas'][frame] > 0
            ]
    frames = []
    for meta in (frame.metainfo for frame in sample):
        height, width = meta['img_shape']
        frames.append((meta['img_path'], (width, height), codes.get(meta['frame_id'], [])))
    return frames


def load_plainly(frame: Frame, with_masks: bool) -> list[np.ndarray]:
    """Load one frame, and its masks where asked to, with OpenCV alone."""
    path, size, codes = frame
    arrays = [cv2.resize(cv2.imread(path), size, interpolation=cv2.INTER_LINEAR)]
    if with_masks and codes:
        masks = mask_utils.decode(codes)  # (H, W, n)
        arrays += [
            cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
            for mask in masks.transpose(2, 0, 1)
        ]
    return arrays


class PlainDataset(Dataset):
    """The plain loop as a data set, for worker processes.

    Args:
        items: the frames of each item.
        with_masks: whether masks are loaded too.
    """

    def __init__(self, items: list[list[Frame]], with_masks: bool) -> None:
        self.items = items
        self.with_masks = with_masks

    def __len__(self) -> int:
        """Number of items."""
        return len(self.items)

    def __getitem__(self, index: int) -> list[list[torch.Tensor]]:
        """Load an item. Tensors travel between processes without a copy."""
        return [
            [torch.from_numpy(array) for array in load_plainly(frame, self.with_masks)]
            for frame in self.items[index]
        ]


def run_plainly(items: list[list[Frame]], with_masks: bool) -> None:
    """Load all items in this process."""
    for item in items:
        for frame in item:
            load_plainly(frame, with_masks)


def exhaust(loader: Iterable[Any]) -> None:
    """Take all batches, as a training loop would."""
    for _ in loader:
        pass


def make_loader(
    dataset: Dataset, indices: Sequence[int], settings: Config, workers: int
) -> DataLoader:
    """Return a loader of the config's batch size over these draws. Its workers stay."""
    return DataLoader(
        dataset,
        batch_size=settings.batch_size,
        sampler=indices,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=list if isinstance(dataset, PlainDataset) else pseudo_collate,
    )


def best_times(functions: list[Callable[[], None]], rounds: int) -> list[float]:
    """Run the functions in turn, once to warm up, and return each one's shortest time."""
    for function in functions:
        function()
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, spent in zip(functions, times):
            begin = time.perf_counter()
            function()
            spent.append(time.perf_counter() - begin)
    return [min(spent) for spent in times]


def measure(config: Config, split: str, options: argparse.Namespace) -> list[list[str]]:
    """Return the rows of one split, a row for each number of workers."""
    settings = config[f'{split}_dataloader']
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(settings.dataset)
        indices = draw_indices(dataset, settings, options.frames, options.seed)
    items = [plain_frames(dataset, index) for index in indices]
    frames = sum(len(item) for item in items)
    rows = []
    for number in options.workers:
        functions = [partial(exhaust, make_loader(dataset, indices, settings, number))]
        for with_masks in [False] if split == 'test' else [False, True]:
            if number == 0:
                functions.append(partial(run_plainly, items, with_masks))
            else:
                plain = PlainDataset(items, with_masks)
                loader = make_loader(plain, range(len(items)), settings, number)
                functions.append(partial(exhaust, loader))
        ours, *others = (frames / spent for spent in best_times(functions, options.rounds))
        row = [split, str(number), f'{ours:.0f}']
        for other in others:
            row += [f'{other:.0f}', f'{ours / other:.2f}']
        rows.append(row + ['', ''] * (2 - len(others)))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    print_anything()
    options = parse_args(arguments)
    cv2.setNumThreads(0)  # as a runner sets it
    torch.set_num_threads(1)
    header = ['', 'workers', 'frames/s', 'plain', 'ratio', 'plain with masks', 'ratio']
    with tempfile.TemporaryDirectory() as folder:
        config = read_config(options, Path(folder))
        rows = [row for split in options.split for row in measure(config, split, options)]
    print(text_table([header, *rows]))
    return 0


if __name__ == '__main__':
    sys.exit(main())

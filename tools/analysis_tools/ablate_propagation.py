"""Measure the benefit of the calibration in a trained model, as a table and a picture.

    python tools/analysis_tools/ablate_propagation.py CONFIG CHECKPOINT [--out-dir DIR]

Tests the model as it is, without calibration (F' = 0), with the background as identity of all
cells (Z' = B), with the identities of the objects exchanged, with a memory of fewer frames, and
with and without scaling by the foreground probability. All rows see the same frames one after
another; a frame's features are computed once for all of them. Writes ablation.json,
ablation.md and attention.png; videos that are done already are used again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import groupby
from pathlib import Path

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from tqdm import tqdm

from rocovis_mm.checkpoints.fitting import load_model
from rocovis_mm.console import print_anything
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.identity import identity_stats
from rocovis_mm.evaluation.functional.report import name_pooled_stats, name_stats
from rocovis_mm.evaluation.functional.tracks import GroundTruth, load_ground_truth, load_predictions
from rocovis_mm.models import RoCoVIS
from rocovis_mm.registry import DATASETS, MODELS
from rocovis_mm.streaming.engine import StreamEngine
from rocovis_mm.utils import add_run_arguments, load_run_config
from rocovis_mm.visualization.attention import AttentionStatistics, draw_attention, recording
from rocovis_mm.visualization.media import write_image

FIGURES = {'AP': 'AP', 'AP75': 'AP75', 'APs': 'APs', 'AP^B': 'AP_boundary', 'AP^Pool': 'AP_pool'}
CELLS = 64
"""Cells of a frame, drawn at random, whose attention enters the statistics."""
LOOKED_AT = 4
"""Videos, the first ones, whose attention enters the statistics."""
Switch = Callable[[RoCoVIS], Iterator[None]]


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file of a RoCoVIS model')
    parser.add_argument('checkpoint', help='its checkpoint file')
    parser.add_argument('--out-dir', type=Path, default='work_dirs/ablation')
    parser.add_argument('--videos', type=int, help='test only so many, the first ones')
    parser.add_argument('--rows', nargs='+', help='rows of the table; all of them by default')
    add_run_arguments(parser)
    return parser.parse_args(arguments)


@contextmanager
def replaced(holder: object, name: str, value: object) -> Iterator[None]:
    """Let an attribute have another value while the context lasts."""
    own = vars(holder).get(name, replaced)
    setattr(holder, name, value)
    try:
        yield
    finally:
        delattr(holder, name) if own is replaced else setattr(holder, name, own)


@contextmanager
def without_calibration(model: RoCoVIS) -> Iterator[None]:
    """F' = 0: the pixel decoder sees F alone."""
    decoder = model.track_head.pixel_decoder
    with replaced(decoder, 'calibrate', lambda projected, *_: projected):
        yield


@contextmanager
def background_everywhere(model: RoCoVIS) -> Iterator[None]:
    """Z' = B: the past is seen, but not who was where."""
    decoder = model.track_head.pixel_decoder

    def identity(stride: int, features: torch.Tensor, *_: object) -> torch.Tensor:
        background = decoder.propagation[str(stride)].background
        return background[:, None, None].expand_as(features)

    with replaced(decoder, 'identity', identity):
        yield


@contextmanager
def exchanged_identities(model: RoCoVIS) -> Iterator[None]:
    """Each visible object's mask carries the query of the next visible one."""
    decoder = model.track_head.pixel_decoder
    original = decoder.identity

    def identity(
        stride: int,
        features: torch.Tensor,
        queries: torch.Tensor,
        mask_logits: torch.Tensor,
        keep: torch.Tensor,
    ) -> torch.Tensor:
        exchanged = queries.clone()
        for b, masks in enumerate(mask_logits.sigmoid() * keep[..., None, None]):
            visible = (masks.flatten(1).amax(1) > 0.5).nonzero().flatten()
            exchanged[b, visible] = queries[b, visible.roll(1)]
        return original(stride, features, exchanged, mask_logits, keep)

    with replaced(decoder, 'identity', identity):
        yield


@contextmanager
def memory_of(model: RoCoVIS, frames: int) -> Iterator[None]:
    """Set the number of frames that the calibration remembers."""
    with replaced(model.track_head, 'memory_frames', frames):
        yield


@contextmanager
def scaling(model: RoCoVIS, output: bool, memory: bool) -> Iterator[None]:
    """Switch the scaling of output and propagated masks by the foreground."""
    with replaced(model, 'scale_output', output):
        with replaced(model.track_head, 'scale_memory', memory):
            yield


def as_it_is(model: RoCoVIS) -> nullcontext:
    """Change nothing."""
    return nullcontext()


def switches(model: RoCoVIS, wanted: Sequence[str] | None = None) -> dict[str, Switch]:
    """Return the rows of the table that a model has, or the wanted ones of them.

    Raises:
        ValueError: the model has no calibration, or no row of a wanted name.
    """
    if not model.track_head.pixel_decoder.propagation_strides:
        raise ValueError('the model has propagation_strides=(): there is no calibration to ablate')
    rows: dict[str, Switch] = {
        'as it is': as_it_is,
        "F' = 0": without_calibration,
        "Z' = B": background_everywhere,
        'identities exchanged': exchanged_identities,
    }
    for frames in range(1, model.track_head.memory_frames):
        rows[f'memory of {frames}'] = partial(memory_of, frames=frames)
    own = model.scale_output, model.track_head.scale_memory
    for output in (True, False):
        for memory in (True, False):
            if (output, memory) != own:
                scaled = [n for n, on in (('output', output), ('memory', memory)) if on]
                switch = partial(scaling, output=output, memory=memory)
                rows[f'scaled: {" and ".join(scaled) or "nothing"}'] = switch
    unknown = set(wanted or ()) - set(rows)
    if unknown:
        raise ValueError(f'no row is called {sorted(unknown)[0]!r}; there are {", ".join(rows)}')
    return {name: row for name, row in rows.items() if wanted is None or name in wanted}


@contextmanager
def features_once(model: RoCoVIS) -> Iterator[None]:
    """Compute a frame's features only once while the context lasts."""
    found: list[tuple[torch.Tensor, ...]] = []

    def extract(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if not found:
            found.append(RoCoVIS.extract_features(model, images))
        return found[0]

    with replaced(model, 'extract_features', extract):
        yield


class Study:
    """All rows of one model over the videos of a data set.

    Args:
        model: at test time.
        dataset: frames in the order of their videos.
        rows: name -> switch.
        folder: where the tracks of each finished video are kept.
    """

    def __init__(
        self, model: RoCoVIS, dataset: BaseDataset, rows: dict[str, Switch], folder: Path
    ) -> None:
        self.model, self.dataset, self.rows, self.folder = model, dataset, rows, folder
        self.engine = StreamEngine(model)
        self.generator = torch.Generator().manual_seed(0)
        self.statistics = {
            stride: AttentionStatistics() for stride in model.track_head.pixel_decoder.propagation
        }

    @torch.no_grad()
    def video(self, video_id: int, indices: Sequence[int], category_ids: list[int]) -> dict:
        """Return row -> results of one video."""
        model = self.model
        videos = {name: self.engine.begin() for name in self.rows}
        for index in indices:
            image, sample = self.engine.preprocess(self.dataset[index])
            with features_once(model):
                for name, switch in self.rows.items():
                    with switch(model):
                        self.engine.advance([(image, sample, videos[name])])
        return {
            name: video.recorder.finish(video_id).to_results(category_ids)
            for name, video in videos.items()
        }

    @torch.no_grad()
    def look(self, indices: Sequence[int]) -> np.ndarray | None:
        """Add the attention of a video to the statistics and return the picture of its last frame.

        Args:
            indices: of the frames of one video.
        """
        model, video, pictures = self.model, self.engine.begin(), []
        modules = model.track_head.pixel_decoder.propagation
        found = None
        for index in indices:
            image, sample = self.engine.preprocess(self.dataset[index])
            with recording(modules) as recorder:
                found = self.engine.advance([(image, sample, video)])[0]
            pictures = [*pictures, self.picture(index)][-model.track_head.memory_frames - 1 :]
            for stride, seen in recorder.seen.items():
                size = tuple(seen.current.shape[-2:])
                cells = torch.randint(size[0] * size[1], (CELLS,), generator=self.generator)
                weights = recorder.weights(modules, stride, cells)
                self.statistics[str(stride)].add(weights, cells, size)
        if found is None or not recorder.seen:
            return None
        sizes = {stride: tuple(seen.current.shape[-2:]) for stride, seen in recorder.seen.items()}
        cells = {stride: cells_of_objects(found.masks, size) for stride, size in sizes.items()}
        weights = {s: recorder.weights(modules, s, cells[s]) for s in sizes}
        return draw_attention(pictures, weights, cells, sizes)

    def picture(self, index: int) -> np.ndarray:
        """Return a frame (H, W, 3) RGB as it was loaded and resized."""
        return self.dataset[index]['inputs']['img'][0].permute(1, 2, 0).numpy()[..., ::-1].copy()


def cells_of_objects(masks: np.ndarray, size: tuple[int, int], most: int = 3) -> torch.Tensor:
    """Return the cells (n,) of a map (h, w) in the middle of the largest masks (m, H, W).

    Without any mask it is the cell in the middle of the frame.
    """
    largest = sorted(masks, key=lambda mask: -mask.sum())[:most]
    places = [np.argwhere(mask) for mask in largest]
    shape = masks.shape[1:]
    middles = [place[np.abs(place - place.mean(0)).sum(1).argmin()] for place in places] or [
        np.array(shape) // 2
    ]
    return torch.tensor(
        [int(y * size[0] / shape[0]) * size[1] + int(x * size[1] / shape[1]) for y, x in middles]
    )


def fingerprint(args: argparse.Namespace, config: object, rows: Sequence[str]) -> str:
    """Return the part of file names that differs between studies."""
    stat = Path(args.checkpoint).stat()
    content = [config.to_dict(), str(args.checkpoint), stat.st_size, stat.st_mtime, list(rows)]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def table(figures: dict[str, dict[str, float]]) -> str:
    """Return the rows as a markdown table."""
    columns = list(next(iter(figures.values())))
    lines = [f'| | {" | ".join(columns)} |', '| --- |' + ' --- |' * len(columns)]
    for name, row in figures.items():
        cells = [
            f'{value:.1f}' if isinstance(value, float) else str(value) for value in row.values()
        ]
        lines.append(f'| {name} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def attention_table(study: Study) -> str:
    """Return the statistics of the attention as a markdown table."""
    lines = [
        '| stride, head | width of the prior | keys | effective keys | weight on the own place '
        '| within two cells | on the newest frame |',
        '| --- |' + ' --- |' * 6,
    ]
    for stride, statistics in study.statistics.items():
        widths = study.model.track_head.pixel_decoder.propagation[stride].log_width
        for head, row in enumerate(statistics.rows() if statistics.cells else []):
            width = '-' if widths is None else f'{widths[head].exp().item():.1f}'
            shares = ' | '.join(
                f'{100 * row[key]:.0f} %'
                for key in ('own_place', 'within_two_cells', 'newest_frame')
            )
            lines.append(
                f'| {stride}, {head} | {width} | {row["keys"]:.0f} | {row["effective_keys"]:.1f} '
                f'| {shares} |'
            )
    return '\n'.join(lines)


def load(args: argparse.Namespace) -> tuple[RoCoVIS, Config]:
    """Return the model with its weights, and its config.

    Raises:
        ValueError: it is no RoCoVIS model.
    """
    config = load_run_config(args.config, args.cfg_options)
    init_default_scope(config.default_scope)
    model = MODELS.build(config.model)
    if not isinstance(model, RoCoVIS):
        raise ValueError(f'{args.config} is a {type(model).__name__}, not a RoCoVIS model')
    load_model(model, str(args.checkpoint))
    return model.eval(), config


def score(truth: GroundTruth, results: dict[str, list]) -> dict[str, dict[str, float]]:
    """Return row -> title -> figure, in percent but for the switches."""
    figures = {}
    for name, own in results.items():
        predictions = load_predictions(own, truth)
        scores = evaluate_tracks(truth, predictions)
        named = {**name_stats(scores), **name_pooled_stats(scores)}
        identities = identity_stats(truth, predictions)
        figures[name] = {title: 100 * named[key] for title, key in FIGURES.items()} | {
            'ID switches': identities['id_switches'],
            'late births found, %': 100 * identities['late_recall'],
        }
    return figures


def results_of(study: Study, groups: list[tuple[int, list[int]]], category_ids: list[int]) -> dict:
    """Return row -> results of all videos; those in the study's folder are used again.

    Args:
        study: of the model.
        groups: id and frames of each video.
        category_ids: json category id of each label.
    """
    results: dict[str, list] = {name: [] for name in study.rows}
    for video, indices in tqdm(groups, unit='video'):
        path = study.folder / f'{video}.json'
        if not path.is_file():
            part = path.with_suffix('.part')
            part.write_text(json.dumps(study.video(video, indices, category_ids)))
            part.replace(path)
        for name, own in json.loads(path.read_text()).items():
            results[name] += own
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study."""
    print_anything()
    args = parse_args(arguments)
    try:
        model, config = load(args)
        rows = switches(model, args.rows)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    dataset = DATASETS.build(config.test_dataloader.dataset)
    frames = groupby(range(len(dataset)), key=lambda i: dataset.get_data_info(i)['video_id'])
    groups = [(video, list(indices)) for video, indices in frames][: args.videos]
    truth = load_ground_truth(config.test_evaluator.ann_file)
    by_name = {name: category for category, name in truth.categories.items()}
    category_ids = [by_name[name] for name in dataset.metainfo['classes']]

    folder = args.out_dir / 'tracks' / fingerprint(args, config, list(rows))[:12]
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(model, dataset, rows, folder)
    results = results_of(study, groups, category_ids)
    figures = score(truth.subset([video for video, _ in groups]), results)
    pictures = [study.look(indices) for _, indices in groups[:LOOKED_AT]]
    text = f'{table(figures)}\n\n{attention_table(study)}\n'
    (args.out_dir / 'ablation.md').write_text(text)
    attention = {stride: s.rows() for stride, s in study.statistics.items() if s.cells}
    content = dict(figures=figures, attention=attention)
    (args.out_dir / 'ablation.json').write_text(json.dumps(content, indent=1) + '\n')
    drawn = [picture for picture in pictures if picture is not None]
    if drawn:
        write_image(args.out_dir / 'attention.png', drawn[0])
    print(text)


if __name__ == '__main__':
    main()

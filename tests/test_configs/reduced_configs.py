"""Every config at a size that runs in a second, on generated data in its benchmark's layout.

A reduced config is the config itself with fewer channels, layers, queries and points, small images
and one iteration; what it is made of, and how, stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import mmdet
import pytest
from mmengine.config import Config, ConfigDict
from tiny_model import (
    BACKBONE_WIDTH,
    HEADS,
    set_dvis,
    set_genvis,
    shrink_detr_head,
    shrink_head,
)

from rocovis_mm.datasets.embedded import CLASSES, make_tiny_dataset
from rocovis_mm.formats.converters.cocovid import vis_to_cocovid
from rocovis_mm.utils import check_annotation_files, load_config
from tests.conftest import REPOSITORY
from tests.optional import needs
from tests.test_datasets.benchmark_layouts import WRITERS, write_benchmark
from tests.test_datasets.coco_layout import write_coco

CONFIGS = {
    path.stem: path
    for path in sorted((REPOSITORY / 'configs').glob('[!_]*/*.py'))
}  # fmt: skip
SMALL_BACKBONES = dict(
    ResNet=dict(depth=18, base_channels=BACKBONE_WIDTH, stem_channels=BACKBONE_WIDTH),
    SwinTransformer=dict(
        embed_dims=BACKBONE_WIDTH, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8]
    ),
    RegNet=dict(arch='regnetx_400mf'),
    PyramidVisionTransformerV2=dict(embed_dims=BACKBONE_WIDTH, num_layers=[1, 1, 1, 1]),
    MobileNetV2=dict(widen_factor=0.25),
    ConvNeXt=dict(
        arch=dict(depths=[1, 1, 1, 1], channels=[BACKBONE_WIDTH * 2**i for i in range(4)])
    ),
    VisionTransformer=dict(
        arch=dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64),
        img_size=56,
    ),
    TIMMBackbone=dict(model_name='test_efficientnet'),
)  # fmt: skip
"""What makes a backbone small, by its class; the head reads off what comes out."""
QUERIES = 12
POINTS = 64
SIZE = (64, 64)
CROP = (16, 24)


def parts_of(config: Any) -> Iterator[ConfigDict]:
    """Yield every dict inside a config, itself included."""
    if isinstance(config, Mapping):
        yield config
        for value in config.values():
            yield from parts_of(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from parts_of(value)


def reduce_model(model: ConfigDict) -> None:
    """Make a model's config small, in place."""
    head = model.track_head
    model.backbone.update(SMALL_BACKBONES.get(model.backbone.type.rpartition('.')[2], {}))
    head.num_queries = QUERIES
    if 'pixel_decoder' in head:
        shrink_head(head, layers=1)
    else:
        shrink_detr_head(head)
    if 'refinement' in head:  # VMT's backbone is as wide as its encoder
        width = head.feat_channels
        model.backbone.update(base_channels=width, stem_channels=width)
        head.refinement.update(width=width, point_limit=50, feedforward_channels=48)
    if 'propagation' in head.get('pixel_decoder', ()):
        head.pixel_decoder.propagation.num_heads = HEADS
    if 'object_decoder' in head:
        memory, frozen = head.memory_frames, model.freeze_detector
        set_genvis(model, POINTS, memory, 1, QUERIES, frozen)
    if 'tracker' in head:
        set_dvis(model, POINTS, model.freeze_detector, head.published)
    for part in parts_of(model):
        if part.get('num_points', 0) > POINTS:
            part.num_points = POINTS
        if 'Pretrained' in str(part.get('init_cfg')):  # nothing is downloaded
            part.init_cfg = None


def reduce_loader(loader: ConfigDict) -> None:
    """Make a data loader's images and batches small, in place; it loads in this process."""
    loader.update(num_workers=0, persistent_workers=False, batch_size=min(loader.batch_size, 2))
    for part in parts_of(loader):
        if 'scale' in part:
            part.scale = SIZE
        for key in ('scales', 'crop_scales'):
            if key in part:
                part[key] = [SIZE]
        for key in ('pixel_range', 'crop_range'):
            if part.get(key):
                part[key] = CROP


def reduce_run(config: Config, work_dir: Path) -> None:
    """Let a run be one iteration (or epoch) and one validation, in place."""
    config.work_dir = str(work_dir)
    config.experiment_name = work_dir.name  # of this run alone, also within one second
    length = 'max_epochs' if 'max_epochs' in config.train_cfg else 'max_iters'
    config.train_cfg.update({length: 1, 'val_interval': 1, 'val_begin': 1})
    config.log_level = 'WARNING'


class GeneratedData:
    """Data sets on disk, each written when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: dict[str, dict[str, Any]] = {}

    def options(self, config: Config) -> dict[str, Any]:
        """Return the options that lead a config to its data."""
        name = config.get('benchmark', 'embedded')
        if name not in self.written:
            self.written[name] = self.write(name)
        options = dict(self.written[name])
        if 'classes' in config:
            options['classes'] = CLASSES
        if 'coco_root' in config and 'benchmark' in config:  # the demo's are its own images
            options.update(self.coco)
        return options

    @cached_property
    def coco(self) -> dict[str, Any]:
        """The options of the COCO images, written when they are first asked for."""
        return write_coco(self.folder)

    def write(self, name: str) -> dict[str, Any]:
        """Write a benchmark, or the embedded data set in a tiny size, also as single images."""
        if name in WRITERS:
            return write_benchmark(self.folder / name, name)
        dataset = make_tiny_dataset(self.folder / 'embedded', val_videos=2, val_frames=4)
        vis_to_cocovid(dataset.train_json, dataset.root / 'images.json')
        return dict(data_root=f'{dataset.root}/')


def read_config(name: str) -> Config:
    """Return a config as it is; skips where what it builds on is not there."""
    if (
        'mmdet::' in CONFIGS[name].read_text()
        and not Path(mmdet.__file__).with_name('.mim').is_dir()
    ):
        pytest.skip('this mmdet carries no configs')
    if "'mmpretrain." in CONFIGS[name].read_text():
        needs('mmpretrain.models')
    if "'mmpretrain.TIMMBackbone'" in CONFIGS[name].read_text():
        needs('timm')
    return copy.deepcopy(parsed(CONFIGS[name]))


parsed = cache(Config.fromfile)


def reduced_config(name: str, data: GeneratedData, work_dir: Path, **options: Any) -> Config:
    """Return a config that trains, validates and tests in a second."""
    plain = read_config(name)
    options = {**data.options(plain), **options}
    if 'results' in plain and not options.get('val_has_masks', plain.val_has_masks):
        options['results'] = str(work_dir / 'results')
    config = load_config(CONFIGS[name], options)
    reduce_model(config.model)
    for split in ('train', 'val', 'test'):
        reduce_loader(config[f'{split}_dataloader'])
    reduce_run(config, work_dir)
    try:
        check_annotation_files(config, ('train', 'val', 'test'))
    except FileNotFoundError as error:
        pytest.fail(
            f'{CONFIGS[name].name} reads data that no test writes: {error}. Let GeneratedData in '
            'tests/test_configs/reduced_configs.py write it, or point the config to what is there'
        )
    return config

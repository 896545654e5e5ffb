"""Every config of the methods: it builds, and is what its name says."""

from __future__ import annotations

import functools
import re

import pytest
from full_size import build_without_memory
from mmengine.config import Config

from rocovis_mm.models import (
    ClipGlobalAssigner,
    GenVIS,
    MinVIS,
    OnlineVISModel,
    RoCoVIS,
    UVLAAssigner,
    UVLAPlusPlusAssigner,
)
from tests.conftest import REPOSITORY

METHODS = dict(rocovis=RoCoVIS, minvis=MinVIS, genvis=GenVIS)
CONFIGS = sorted(path for name in METHODS for path in (REPOSITORY / 'configs' / name).glob('*.py'))
NAMES = [path.stem for path in CONFIGS]
BENCHMARKS = {  # classes, tracks of a video, iterations
    'youtube-vis-2019': (40, 10, 15000),
    'youtube-vis-2021': (40, 10, 90000),
    'youtube-vis-2022': (40, 10, 90000),
    'ovis': (25, 20, 140000),
    'hq-ytvis': (40, 10, 15000),
    'vipseg-things': (58, 20, 90000),
}


read = functools.cache(Config.fromfile)


@pytest.fixture(scope='module')
def build():
    """Builds the model of a config in full size; benchmarks share theirs, by the config's text."""
    built: dict[str, OnlineVISModel] = {}

    def _build(config: Config) -> OnlineVISModel:
        text = repr(config.model)
        if text not in built:
            built[text] = build_without_memory(config.model)
        return built[text]

    return _build


@pytest.mark.parametrize('path', CONFIGS, ids=NAMES)
def test_a_config_builds_the_model_of_its_name(path, build):
    config, name = read(path), path.stem
    model = build(config)
    head, method = model.track_head, name.split('_')[0]
    assert type(model) is METHODS[method]
    assert head.num_classes == config.num_classes == head.query_decoder.cls_embed.out_features - 1
    assert len(head.criterion.loss_cls.class_weight) == config.num_classes + 1
    strides = head.pixel_decoder.propagation_strides
    assert (strides == ()) == (method != 'rocovis' or name.endswith('_direct'))
    if method == 'rocovis':
        variants = dict(direct=UVLAAssigner, imp=UVLAAssigner, **{'global': ClipGlobalAssigner})
        assigner = variants.get(name.rpartition('_')[2], UVLAPlusPlusAssigner)
        assert type(head.assigner) is assigner
    if '_r50_' in name or '_swin-l_' in name:
        queries = 200 if '_swin-l_' in name else 100
        assert model.num_queries == (100 if method == 'genvis' else queries)
        assert head.query_decoder.query_feat.num_embeddings == queries
        assert len(head.query_decoder.transformer_decoder.layers) == 9
        assert len(head.pixel_decoder.encoder.layers) == 6
    if method == 'genvis':
        decoder = head.object_decoder
        layers = len(decoder.encoder.layers), len(decoder.decoder.layers)
        small = any(size in name for size in ('_tiny', '_demo', '_lite0'))
        assert layers == ((1, 2) if small else (6, 3))
        assert model.freeze_detector != small


def test_the_matrix_of_the_paper_is_complete():
    for method in METHODS:
        for backbone in ('r50', 'swin-l'):
            for benchmark in BENCHMARKS:
                assert f'{method}_{backbone}_{benchmark}' in NAMES
    assert {'rocovis_r50_hq-ytvis_direct', 'rocovis_r50_hq-ytvis_imp'} <= set(NAMES)


@pytest.mark.parametrize('path', CONFIGS, ids=NAMES)
def test_a_benchmark_has_its_classes_tracks_scale_and_length(path):
    match = re.fullmatch(r'[a-z]+_(r50|swin-l)_([a-z0-9-]+)(_imp|_direct|_coco-joint)?', path.stem)
    if match is None or match[2] not in BENCHMARKS:
        assert path.stem.split('_')[1] in ('demo', 'tiny') or 'custom' in path.stem
        return
    config = read(path)
    classes, tracks, iterations = BENCHMARKS[match[2]]
    assert config.num_classes == classes
    assert config.model.track_rule.max_tracks == tracks
    assert config.train_cfg.max_iters == iterations
    side = 448 if match[1] == 'swin-l' else 360
    for loader in (config.val_dataloader, config.test_dataloader):
        assert loader.dataset.pipeline[1].scale == (1333, side)


def test_ablations_are_one_setting():
    for path in CONFIGS:
        if path.stem.endswith(('_direct', '_imp', '_global')):
            lines = [line for line in path.read_text().splitlines() if line and line[0] != '#']
            base, setting, model = lines
            name = setting.partition(' = ')[0]
            assert base.startswith('_base_ = ')
            assert name in ('propagation_strides', 'assigner')
            assert model.startswith('model = ') and model.count(name) == 2


def test_schedules_end_where_the_training_ends():
    for path in CONFIGS:
        config = read(path)
        length = config.train_cfg.get('max_iters') or config.train_cfg.max_epochs
        assert config.param_scheduler[-1].end == length
        assert config.default_hooks.checkpoint.interval == config.train_cfg.val_interval
        assert config.train_dataloader.sampler.get('infinite', True) == ('epoch' not in path.stem)
        best = 'long/AP' if config.get('benchmark') == 'youtube_vis_2022' else 'AP'
        assert config.default_hooks.checkpoint.save_best == best

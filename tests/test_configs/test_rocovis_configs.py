"""Every config in configs/rocovis: it builds, and is what its name says."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from rocovis_mm.models import RoCoVIS
from rocovis_mm.models.task_modules import UVLAAssigner, UVLAPlusPlusAssigner
from rocovis_mm.registry import MODELS
from tests.conftest import REPOSITORY

CONFIGS = sorted((REPOSITORY / 'configs/rocovis').glob('*.py'))


def build(path) -> RoCoVIS:
    config = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(config.model)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_a_config_builds_the_model_of_its_name(path):
    config, model = Config.fromfile(path), build(path)
    head, name = model.track_head, path.stem
    direct, plain = name.endswith('_direct'), name.endswith(('_direct', '_imp'))
    assert (head.pixel_decoder.propagation_strides == ()) == direct
    assert type(head.assigner) is (UVLAAssigner if plain else UVLAPlusPlusAssigner)
    assert head.num_classes == config.num_classes == head.query_decoder.cls_embed.out_features - 1
    assert len(head.criterion.loss_cls.class_weight) == config.num_classes + 1
    if '_r50_' in name:
        assert head.num_queries == 100 and len(head.query_decoder.transformer_decoder.layers) == 9
        assert len(head.pixel_decoder.encoder.layers) == 6 and head.memory_frames > 1


def test_ablations_are_one_line():
    for path in CONFIGS:
        if path.stem.endswith(('_direct', '_imp')):
            lines = [line for line in path.read_text().splitlines() if line and line[0] != '#']
            assert len(lines) == 2 and lines[0].startswith('_base_ = ')


def test_schedules_end_where_the_training_ends():
    for path in CONFIGS:
        config = Config.fromfile(path)
        length = config.train_cfg.get('max_iters') or config.train_cfg.max_epochs
        assert config.param_scheduler[-1].end == length
        assert config.default_hooks.checkpoint.interval == config.train_cfg.val_interval
        assert config.train_dataloader.sampler.get('infinite', True) == ('epoch' not in path.stem)
        assert config.default_hooks.checkpoint.save_best == 'AP'

"""IDOL's configs: they build, have the published recipe, and name the figures of their sources."""

from __future__ import annotations

import re

import pytest
import yaml
from full_size import build_without_memory
from mmengine.config import Config

from rocovis_mm.models import IDOL
from rocovis_mm.utils import load_config
from tests.conftest import REPOSITORY

CONFIGS = {path.stem: path for path in sorted((REPOSITORY / 'configs/idol').glob('*.py'))}
BENCHMARKS = {  # classes, pairs of a step, longest and shortest sides of a pair, side of a test
    'ovis': (25, 16, 1333, [*range(480, 801, 32)], 720),
    'youtube-vis-2019': (40, 32, 768, [320, 352, 392, *range(416, 641, 32)], 480),
    'youtube-vis-2021': (40, 32, 768, [320, 352, 392, *range(416, 641, 32)], 480),
}
PUBLISHED = {
    f'idol_{backbone}_{benchmark}': (backbone, *values)
    for backbone in ('r50', 'swin-l') for benchmark, values in BENCHMARKS.items()
}  # fmt: skip


def test_all_benchmarks_and_templates_are_there():
    assert set(CONFIGS) == {*PUBLISHED, 'idol_r50_custom', 'idol_tiny_custom', 'idol_demo'}


@pytest.mark.parametrize('name', PUBLISHED)
def test_a_benchmark_has_the_published_recipe(name):
    backbone, classes, batch, longest, shortest, side = PUBLISHED[name]
    config = Config.fromfile(CONFIGS[name])
    assert config.num_classes == classes == config.model.track_head.num_classes
    assert config.train_cfg.max_iters == 12000
    (steps,) = config.param_scheduler  # no warm-up
    assert (steps.milestones, steps.gamma, steps.end) == ([8000], 0.1, 12000)
    optimizer, params = config.optim_wrapper.optimizer, config.optim_wrapper.paramwise_cfg
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('AdamW', 1e-4, 1e-4)
    assert params.norm_decay_mult == params.embedding_decay_mult == 1
    assert params.custom_keys.backbone == dict(lr_mult=0.1)
    assert config.optim_wrapper.clip_grad == dict(max_norm=0.01, norm_type=2)
    assert config.train_dataloader.batch_size * 8 == config.auto_scale_lr.base_batch_size == batch
    sample, _, crop, last, _ = config.train_dataloader.dataset.pipeline
    assert (sample.num_frames, sample.frame_range) == (2, 10)
    (window,) = crop.transforms  # no resize before it
    assert (crop.prob, window.pixel_range, window.get('pan', 1.0)) == (0.5, (384, 600), 1.0)
    assert last.share_random_params
    assert last.transforms[0].scales == [(longest, s) for s in shortest]
    for loader in (config.val_dataloader, config.test_dataloader):
        assert loader.dataset.pipeline[1].scale == (1333, side)
    associator = config.model.associator
    crowded = name == 'idol_r50_ovis'
    assert (associator.nms_iou, associator.new_score) == ((0.3, 0.3) if crowded else (0.5, 0.2))
    if backbone == 'r50':
        assert config.model.backbone.frozen_stages == 1  # stem and res2


@pytest.mark.parametrize('name', ['idol_r50_ovis', 'idol_swin-l_ovis', *sorted(CONFIGS)[:2]])
def test_a_config_builds_the_model(name):
    config = load_config(CONFIGS[name], {})
    model = build_without_memory(config.model)
    assert type(model) is IDOL
    assert model.num_classes == config.num_classes
    layers = len(model.track_head.encoder.encoder.layers)
    assert (layers, model.num_queries) == ((2, 24) if 'demo' in name else (6, 300))
    rule = model.track_rule
    assert (rule.reduce, rule.activation, rule.min_score) == ('mean', 'sigmoid', 0.05)
    assert rule.ends_after == model.associator.dead_frames == 9


def test_the_figures_of_the_paper_are_those_of_its_table(shared_dir):
    """The other figures are of IDOL's own page, which is not among the shared files."""
    models = yaml.safe_load((CONFIGS['idol_demo'].parent / 'metafile.yml').read_text())['Models']
    found = [
        list(map(float, result['Metrics'].values()))
        for model in models
        for result in model['Metadata'].get('Published Results', ())
        if result['Source'] == 'RoCoVIS paper, Table 1'
    ]
    text = re.sub(r'<[^>]*>', '', (shared_dir / 'paper/rocovis.md').read_text())
    rows = [row.split('\t') for row in re.findall(r'^\tIDOL \(.*\)\t(.*)$', text, re.MULTILINE)]
    halves = [half for row in rows for half in (row[:5], row[5:]) if '-' not in half]
    assert sorted(found) == sorted([list(map(float, half)) for half in halves])

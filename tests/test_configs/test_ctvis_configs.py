"""CTVIS' configs: they build, have the published recipe, and name the figures of their sources."""

from __future__ import annotations

import re

import pytest
import yaml
from full_size import build_without_memory
from mmengine.config import Config

from rocovis_mm.models import CTVIS
from tests.conftest import REPOSITORY

CONFIGS = {path.stem: path for path in sorted((REPOSITORY / 'configs/ctvis').glob('*.py'))}
BENCHMARKS = {  # classes; frames of a clip and to either side of it, of R-50 and Swin-L; ratio
    'ovis': (25, (10, 15), (6, 10), 0.75),
    'youtube-vis-2019': (40, (10, 20), (8, 16), 1.5),
    'youtube-vis-2021': (40, (10, 20), (8, 16), 0.8),
    'youtube-vis-2022': (40, (10, 20), (8, 16), 0.8),
}
PUBLISHED = [f'ctvis_{backbone}_{name}' for backbone in ('r50', 'swin-l') for name in BENCHMARKS]
SIDES = [320, 352, 392, 416, 448, 480, 512, 544, 576, 608, 640]


def test_all_benchmarks_and_templates_are_there():
    assert set(CONFIGS) == {*PUBLISHED, 'ctvis_r50_custom', 'ctvis_tiny_custom', 'ctvis_demo'}


@pytest.mark.parametrize('name', PUBLISHED)
def test_a_benchmark_has_the_published_recipe(name):
    config = Config.fromfile(CONFIGS[name])
    _, backbone, benchmark = name.split('_')
    classes, small, large, ratio = BENCHMARKS[benchmark]
    frames, around = small if backbone == 'r50' else large
    assert config.num_classes == classes == config.model.track_head.num_classes
    assert config.model.track_head.num_queries == (100 if backbone == 'r50' else 200)
    assert config.model.track_rule.max_tracks == classes
    assert config.train_cfg.max_iters == 16000
    (steps,) = config.param_scheduler  # no warm-up
    assert (steps.milestones, steps.gamma) == ([6000, 12000], 0.1)
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('AdamW', 1e-4, 0.05)
    assert config.optim_wrapper.clip_grad == dict(max_norm=0.01, norm_type=2)
    assert config.train_dataloader.batch_size * 8 == config.auto_scale_lr.base_batch_size == 16
    joint = config.train_dataloader.dataset
    videos, images = joint.datasets
    assert joint.ratios == [ratio, 1.0]
    sample, _, crop, resize, _ = videos.pipeline
    assert (sample.num_frames, sample.frame_range) == (frames, around)
    assert (crop.prob, crop.transforms[1].pixel_range) == (0.5, (384, 600))
    assert resize.transforms[0].scales == [(768, side) for side in SIDES]
    pseudo = images.pipeline[2]
    assert (pseudo.type, pseudo.num_frames, pseudo.smooth) == (
        'rocovis_mm.PseudoClip',
        frames,
        True,
    )
    assert (pseudo.crop_prob, pseudo.max_angle) == (0.5, 15.0)
    assert pseudo.scales == resize.transforms[0].scales
    for loader in (config.val_dataloader, config.test_dataloader):
        assert loader.dataset.pipeline[1].scale == (1333, 480)


def test_the_template_has_the_published_schedule_and_clips():
    config, published = (Config.fromfile(CONFIGS[f'ctvis_r50_{n}']) for n in ('custom', 'ovis'))
    for key in ('train_cfg', 'param_scheduler', 'optim_wrapper', 'auto_scale_lr'):
        assert config[key] == published[key], key
    sample = config.train_dataloader.dataset.pipeline[0]
    assert (sample.num_frames, sample.frame_range, sample.event_prob) == (10, 15, 0.5)
    assert config.train_dataloader.batch_size * 8 == config.auto_scale_lr.base_batch_size


@pytest.mark.parametrize('name', ['ctvis_r50_ovis', 'ctvis_r50_custom', 'ctvis_demo'])
def test_a_config_builds_the_published_association(name):
    config = Config.fromfile(CONFIGS[name])
    model = build_without_memory(config.model)
    assert type(model) is CTVIS and model.num_classes == config.num_classes
    associator, rule = model.associator, model.track_rule
    found = {key: getattr(associator, key) for key in ('select_score', 'nms_iou', 'match_score')}
    assert found == dict(select_score=0.01, nms_iou=0.6, match_score=0.3)
    assert (associator.init_score, associator.new_score) == (0.01, 0.01)
    assert (associator.cached_frames, associator.dead_frames, rule.ends_after) == (10, 20, 20)
    assert (rule.noise_frames, rule.min_frames, rule.absent_frames) == (8, 3, 2)
    assert (rule.reduce, rule.mask_scoring, rule.scoring_size) == ('mean_logits', True, 'frame')
    criterion = model.track_head.reid_criterion
    assert (criterion.weight, criterion.aux_weight, criterion.memory_prob) == (2.0, 3.0, 0.5)


def test_the_figures_of_the_paper_are_those_of_its_table(shared_dir):
    """The other figures are of the published code's README, which is not among the shared files."""
    models = yaml.safe_load((CONFIGS['ctvis_demo'].parent / 'metafile.yml').read_text())['Models']
    found = [
        list(map(float, result['Metrics'].values()))
        for model in models
        for result in model['Metadata'].get('Published Results', ())
        if result['Source'] == 'RoCoVIS paper, Table 1'
    ]
    text = re.sub(r'<[^>]*>', '', (shared_dir / 'paper/rocovis.md').read_text())
    rows = [row.split('\t') for row in re.findall(r'^\tCTVIS \(.*\)\t(.*)$', text, re.MULTILINE)]
    halves = [half for row in rows for half in (row[:5], row[5:]) if '-' not in half]
    assert sorted(found) == sorted([list(map(float, half)) for half in halves])

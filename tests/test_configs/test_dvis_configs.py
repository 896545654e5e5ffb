"""DVIS' configs: they build, have the published recipe, and name the figures of their sources."""

from __future__ import annotations

import re

import pytest
import torch
import yaml
from full_size import build_without_memory
from mmengine.config import Config

from rocovis_mm.engine.hooks import DetectionMatchingHook
from rocovis_mm.models import DVIS
from tests.conftest import REPOSITORY

CONFIGS = {path.stem: path for path in sorted((REPOSITORY / 'configs/dvis').glob('*.py'))}
BENCHMARKS = {  # classes, tracks of a video, iterations, longest side of a ResNet-50's clips, crop
    'ovis': (25, 20, 20000, 1333, False),
    'youtube-vis-2019': (40, 10, 40000, 768, True),
    'youtube-vis-2021': (40, 10, 40000, 768, False),
    'youtube-vis-2022': (40, 10, 40000, 768, False),
}
NAME = re.compile(r'dvis_(r50|swin-l)_([a-z0-9-]+?)(_coco-joint|_720p)?')
PUBLISHED = [n for n in CONFIGS if (match := NAME.fullmatch(n)) and match[2] in BENCHMARKS]


def settings(pipeline: list) -> tuple:
    """Return frames and range of the clips, their scales, and whether some are cropped."""
    steps = {step.type.rpartition('.')[2]: step for step in pipeline}
    last = [step for step in pipeline if step.type == 'TransformBroadcaster'][-1]
    (resize, _), clip = last.transforms, steps['SampleClip']
    return clip.num_frames, clip.frame_range, resize.scales, 'RandomApply' in steps


def test_all_benchmarks_and_templates_are_there():
    expected = {f'dvis_{b}_{name}' for b in ('r50', 'swin-l') for name in BENCHMARKS}
    expected |= {f'{n}_coco-joint' for n in expected if n.endswith(('2019', '2021', '2022'))}
    expected |= {'dvis_r50_ovis_720p', 'dvis_swin-l_ovis_720p'}
    assert set(CONFIGS) == expected | {'dvis_r50_custom', 'dvis_tiny_custom', 'dvis_demo'}
    assert set(PUBLISHED) == expected


@pytest.mark.parametrize('name', PUBLISHED)
def test_a_benchmark_has_the_published_recipe(name):
    config = Config.fromfile(CONFIGS[name])
    backbone, benchmark, variant = NAME.fullmatch(name).groups()
    classes, tracks, iterations, longest, crop = BENCHMARKS[benchmark]
    swin = backbone == 'swin-l'
    assert config.num_classes == classes == config.model.track_head.num_classes
    assert config.model.track_rule == dict(
        reduce='mean_logits', max_tracks=tracks, mask_scoring=False
    )
    assert config.train_cfg.max_iters == iterations
    (steps,) = config.param_scheduler
    assert (steps.milestones, steps.gamma) == ([iterations * 7 // 10], 0.1)
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('AdamW', 1e-4, 0.05)
    assert config.optim_wrapper.clip_grad == dict(max_norm=0.01, norm_type=2)
    assert config.train_dataloader.batch_size == 1
    assert config.custom_hooks[-1] == dict(type='rocovis_mm.DetectionMatchingHook', share=0.5)
    videos = config.train_dataloader.dataset
    if variant == '_coco-joint':
        assert videos.ratios == [0.75 if crop else 1.0, 1.0]
        videos, images = videos.datasets
        (pseudo,) = (step for step in images.pipeline if step.type == 'rocovis_mm.PseudoClip')
        assert (pseudo.num_frames, pseudo.crop_prob) == (5, 0.5 if crop else 0.0)
        assert (pseudo.smooth, pseudo.pan, pseudo.max_angle) == (True, 0.0, 15.0)
        assert [side for _, side in pseudo.scales] == [s for _, s in settings(videos.pipeline)[2]]
    longest, side = (1024, 480) if swin else (longest, 360)
    sides = (360, 480, 600) if swin else (240, 360, 480)
    if variant == '_720p':
        longest, side, sides = 1333, 720, range(480, 801, 32)
    scales = [(longest, shortest) for shortest in sides]
    assert settings(videos.pipeline) == (5, 2, scales, crop)
    if crop:
        _, window = videos.pipeline[2].transforms
        assert (window.pixel_range, window.pan) == ((384, 600), 0.0)  # one window for the clip
    for loader in (config.val_dataloader, config.test_dataloader):
        assert loader.dataset.pipeline[1].scale == (1333, side)


@pytest.mark.parametrize('name', ['dvis_r50_ovis', 'dvis_r50_custom', 'dvis_demo'])
def test_a_config_builds_the_published_or_the_mended_model(name):
    config = Config.fromfile(CONFIGS[name])
    model = build_without_memory(config.model)
    assert type(model) is DVIS and model.freeze_detector == (name != 'dvis_demo')
    assert model.track_head.published == (name == 'dvis_r50_ovis')
    assert model.num_classes == config.num_classes


def test_a_figure_on_youtube_vis_is_of_a_config_that_has_seen_coco():
    models = yaml.safe_load((CONFIGS['dvis_demo'].parent / 'metafile.yml').read_text())['Models']
    named = [model['Name'] for model in models if 'Published Results' in model['Metadata']]
    assert len(named) == 9  # five on YouTube-VIS
    assert all(name.endswith('_coco-joint') for name in named if 'youtube-vis' in name)


def test_a_figure_of_the_model_zoo_is_of_a_config_of_its_size():
    models = yaml.safe_load((CONFIGS['dvis_demo'].parent / 'metafile.yml').read_text())['Models']
    for model in models:
        for result in model['Metadata'].get('Published Results', ()):
            if size := re.fullmatch(
                r'MODEL_ZOO.md of zhang-tao-whu/DVIS, (\d+)P', result['Source']
            ):
                config = Config.fromfile(CONFIGS[model['Name']])
                assert config.test_dataloader.dataset.pipeline[1].scale[1] == int(size[1])


def test_the_figures_of_the_paper_are_those_of_its_table(shared_dir):
    """The other figures are of the model zoo, which is not among the shared files."""
    models = yaml.safe_load((CONFIGS['dvis_demo'].parent / 'metafile.yml').read_text())['Models']
    found = [
        list(map(float, result['Metrics'].values()))
        for model in models
        for result in model['Metadata'].get('Published Results', ())
        if result['Source'] == 'RoCoVIS paper, Table 1'
    ]
    text = re.sub(r'<[^>]*>', '', (shared_dir / 'paper/rocovis.md').read_text())
    rows = re.findall(r'^\tDVIS online \(.*\)\t(.*)$', text, re.MULTILINE)
    cells = [row.split('\t') for row in rows]
    halves = [half for row in cells for half in (row[:5], row[5:]) if '-' not in half]
    assert sorted(found) == sorted([list(map(float, half)) for half in halves])


class Run:
    """What the hook reads of a runner."""

    def __init__(self, model) -> None:
        self.model, self.max_iters, self.said = model, 10, []
        self.logger = self

    def info(self, text: str) -> None:
        self.said.append(text)


def test_the_detector_is_matched_in_the_first_share_of_a_run():
    run = Run(torch.nn.Module())
    run.model.match_detections, found = False, []
    for run.iter in range(10):
        DetectionMatchingHook(0.45).before_train_iter(run)
        found.append(run.model.match_detections)
    assert found == [True] * 5 + [False] * 5
    assert [text.partition(':')[0] for text in run.said] == ['iteration 0', 'iteration 5']
    with pytest.raises(ValueError, match='share=2'):
        DetectionMatchingHook(2)

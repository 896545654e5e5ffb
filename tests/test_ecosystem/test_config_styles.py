"""Configs of both styles, and inheriting between packages."""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.models.backbones import MobileNetV2
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from rocovis_mm.apis import RoCoVISInferencer
from rocovis_mm.datasets import VISDataset
from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.evaluation.metrics import VISMetric
from rocovis_mm.models import RoCoVIS, UVLAAssigner
from rocovis_mm.utils import load_config
from rocovis_mm.utils.run_config import write_results_to
from tests.conftest import REPOSITORY
from tests.docs_snippets import read_snippet
from tests.pure_python import write_pure_python

TEXT = REPOSITORY / 'configs/rocovis'
ENTRIES = (
    'model train_dataloader val_dataloader test_dataloader val_evaluator test_evaluator train_cfg '
    'val_cfg test_cfg optim_wrapper param_scheduler default_hooks custom_hooks log_processor '
    'visualizer env_cfg default_scope load_from resume randomness find_unused_parameters '
    'auto_scale_lr log_level'
).split()


HEIR = """
from mmengine.config import read_base

with read_base():
    from .rocovis_demo import *

from mmdet.models.backbones import MobileNetV2

model.backbone = dict(type=MobileNetV2, widen_factor=0.5)
train_dataloader.batch_size = 2
"""


@pytest.fixture(scope='module')
def pure(tmp_path_factory):
    """A folder with demo configs in pure Python."""
    folder = tmp_path_factory.mktemp('pure')
    for name in ('rocovis_demo', 'rocovis_demo_imp'):
        write_pure_python(TEXT / f'{name}.py', folder / f'{name}.py')
    return folder


def content(value, name=None):
    """What a config says, its types by the last part of their names."""
    if isinstance(value, dict):
        return {key: content(entry, key) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [content(entry) for entry in value]
    if name in ('type', 'ema_type', 'constructor') and isinstance(value, str):
        return value.rpartition('.')[2]
    return value


@pytest.mark.parametrize('name', ['rocovis_demo', 'rocovis_demo_imp'])
def test_both_styles_say_the_same(name, pure):
    text, python = (Config.fromfile(folder / f'{name}.py') for folder in (TEXT, pure))
    assert text.model.type == 'rocovis_mm.RoCoVIS' and python.model.type is RoCoVIS
    for entry in ENTRIES:
        assert content(python.to_dict()[entry]) == content(text.to_dict()[entry]), entry


def test_the_lines_of_the_docs_build_data_and_metric(tmp_path):
    config = read_snippet('docs/configs.md', 'pure_python.py', tmp_path)
    root = make_tiny_dataset(tmp_path / 'data').root
    config.test_dataloader.dataset.data_root = str(root)
    config.test_evaluator.ann_file = str(root / 'val.json')
    with DefaultScope.overwrite_default_scope('mmdet'):
        loader = Runner.build_dataloader(config.test_dataloader)
        (metric,) = Evaluator(config.test_evaluator).metrics
    assert type(loader.dataset) is VISDataset and type(metric) is VISMetric
    frame = next(iter(loader))
    assert len(frame['inputs']['img']) == len(frame['data_samples']) == 1


def small_run(config, root, work_dir):
    """Let a pure-Python config run two iterations on tiny data, in place."""
    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(root)
    config.val_evaluator.ann_file = config.test_evaluator.ann_file = str(root / 'val.json')
    config.train_cfg.update(max_iters=2, val_interval=2)
    config.default_hooks.checkpoint.interval = 2
    config.update(work_dir=str(work_dir), log_level='WARNING')


def test_a_config_that_inherits_in_pure_python_trains_and_tests(pure, tmp_path):
    (pure / 'heir.py').write_text(HEIR)
    config = Config.fromfile(pure / 'heir.py')
    small_run(config, make_tiny_dataset(tmp_path / 'data').root, tmp_path / 'run')
    assert config.train_dataloader.batch_size == 2
    torch.manual_seed(0)
    runner = Runner.from_cfg(config)
    assert type(runner.model) is RoCoVIS and type(runner.model.backbone) is MobileNetV2
    runner.train()
    losses = {key: log.current() for key, log in runner.message_hub.log_scalars.items()}
    assert 0 < losses['train/loss'] < float('inf')
    assert set(runner.test()) >= {'AP', 'AP_boundary', 'AP_pool'}
    written = Config.fromfile(tmp_path / 'run' / 'heir.py')  # what the run left: text style
    assert written.model.backbone.type == 'mmdet.models.backbones.MobileNetV2'


def test_options_of_a_pure_python_config(pure):
    path = pure / 'rocovis_demo_imp.py'
    options = {'train_dataloader.dataset.data_root': 'x/', 'randomness': dict(seed=4)}
    config = load_config(path, options)
    assert config.train_dataloader.dataset.data_root == 'x/'
    assert config.randomness.seed == 4
    assert config.model.track_head.assigner.type is UVLAAssigner
    with pytest.raises(
        ValueError, match=r"rocovis_demo_imp.py: .*\['data_root'\].*set the entries"
    ):
        load_config(path, {'data_root': 'x/'})


def test_a_variable_of_a_pure_python_heir_is_refused(pure):
    path = pure / 'other_heir.py'
    text = (
        'from mmengine.config import read_base\nwith read_base():\n'
        '    from .rocovis_demo import *\n'
    )
    path.write_text(text + 'workers = 0\ntrain_dataloader.num_workers = workers\n')
    assert load_config(path).train_dataloader.num_workers == 0
    path.write_text(text + "data_root = 'x/'\n")
    with pytest.raises(ValueError, match=r"heir.py: .*\['data_root'\].*set the entries"):
        load_config(path)


def test_a_submission_from_a_pure_python_config(pure, tmp_path):
    config = load_config(pure / 'rocovis_demo.py')
    write_results_to(config, str(tmp_path / 'results.json'), format_only=True)
    assert config.test_evaluator.outfile_prefix == str(tmp_path / 'results')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A checkpoint of the text-style demo, and what it finds in two frames."""
    path = tmp_path_factory.mktemp('weights') / 'demo.pth'
    torch.manual_seed(0)
    inferencer = RoCoVISInferencer(TEXT / 'rocovis_demo.py', device='cpu')
    meta = dict(dataset_meta=dict(classes=tuple('abcde')))
    torch.save(dict(state_dict=inferencer.model.state_dict(), meta=meta), path)
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
    RoCoVISInferencer(TEXT / 'rocovis_demo.py', path, 'cpu')(
        list(frames), path.with_suffix('.json')
    )
    return path, frames, json.loads(path.with_suffix('.json').read_text())


@pytest.mark.parametrize('given', [str, Config.fromfile])
def test_the_inferencer_takes_a_pure_python_config(weights, given, pure, tmp_path):
    path, frames, expected = weights
    inferencer = RoCoVISInferencer(given(pure / 'rocovis_demo.py'), path, 'cpu')
    assert inferencer.classes == tuple('abcde')
    inferencer(list(frames), tmp_path / 'found.json')
    assert json.loads((tmp_path / 'found.json').read_text()) == expected


def test_the_demo_takes_a_pure_python_config(weights, pure, tmp_path, monkeypatch):
    path, frames, expected = weights
    (tmp_path / 'frames').mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f'frames/{number}.png'), frame)
    words = [tmp_path / 'frames', pure / 'rocovis_demo.py', path, '--device', 'cpu']
    words += ['--json', tmp_path / 'found.json']
    monkeypatch.setattr(sys, 'argv', ['video_demo.py', *map(str, words)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(REPOSITORY / 'demo/video_demo.py'), run_name='__main__')
    assert end.value.code == 0
    assert len(json.loads((tmp_path / 'found.json').read_text())) == len(expected)


def test_the_export_takes_a_pure_python_config(weights, pure, tmp_path, monkeypatch):
    path, _, _ = weights
    words = [pure / 'rocovis_demo.py', path, '--size', 64, 96, '--out', tmp_path / 'demo.onnx']
    monkeypatch.setattr(sys, 'argv', ['export.py', *map(str, words)])
    tool = runpy.run_path(str(REPOSITORY / 'tools/deployment/export.py'), run_name='export')
    written = []
    known = tool['export'].__globals__
    monkeypatch.setitem(known['WRITERS'], '.onnx', lambda *arguments: written.append(arguments))
    monkeypatch.setitem(known, 'by_runtime', lambda out: (None, ()))
    monkeypatch.setitem(known, 'largest_difference', lambda step, *rest: step.size)
    assert tool['export'](tool['parse_args']()) == (64, 96)
    ((model, _, _, classes, category_ids, _),) = written
    assert type(model) is RoCoVIS and classes == tuple('abcde')
    assert category_ids == (1, 2, 3, 4, 5)


def test_ours_inherits_from_mmdetection_by_name():
    if not Path(importlib.import_module('mmdet').__file__).with_name('.mim').is_dir():
        pytest.skip('this mmdet carries no configs')
    config = Config.fromfile(REPOSITORY / 'configs/mask2former_vis/mask2former_vis_r50_custom.py')
    assert config.model.type == 'Mask2FormerVideo'  # theirs
    assert config.test_evaluator.type == 'rocovis_mm.VISMetric'  # ours

"""MMDetection's and MMEngine's hooks, optimizers and schedules with our models."""

from __future__ import annotations

import cv2
import pytest
import torch
from comparing import difference
from mmdet.engine.hooks import CheckInvalidLossHook, NumClassCheckHook
from mmdet.visualization import TrackLocalVisualizer
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.checkpoints import read_checkpoint
from tests.docs_snippets import read_snippet
from tests.optional import needs
from tests.test_configs.reduced_configs import GeneratedData, reduce_loader, reduce_model

ITERATIONS = 7


class Record(Hook):
    """Keeps the learning rate of each iteration, and a parameter after it."""

    priority = 'VERY_LOW'

    def __init__(self):
        self.rates, self.values = [], []

    def before_train(self, runner):
        self.parameter = runner.model.track_head.query_decoder.cls_embed.weight
        self.values.append(self.parameter.detach().clone())

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.rates.append(runner.optim_wrapper.get_lr()['base_lr'][0])

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.values.append(self.parameter.detach().clone())


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A run of the config in docs/mixing.md, reduced."""
    folder = tmp_path_factory.mktemp('runtime')
    config = read_snippet('docs/mixing.md', 'mmdet_runtime.py', folder)
    root = GeneratedData(folder).options(config)['data_root']
    reduce_model(config.model)
    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        reduce_loader(loader)
        loader.dataset.data_root = root
    config.val_evaluator.ann_file = config.test_evaluator.ann_file = f'{root}val.json'
    config.train_cfg.update(max_iters=ITERATIONS, val_interval=ITERATIONS)
    config.default_hooks.checkpoint.interval = ITERATIONS
    config.update(work_dir=str(folder), log_level='WARNING')
    torch.manual_seed(0)
    runner, record = Runner.from_cfg(config), Record()
    runner.register_hook(record)
    runner.train()
    return runner, record


def test_mmdetections_hooks_have_run(trained):
    runner, _ = trained
    kinds = [type(hook) for hook in runner.hooks]
    assert CheckInvalidLossHook in kinds and NumClassCheckHook in kinds


def test_the_schedule_is_that_of_the_config(trained):
    runner, record = trained
    assert type(runner.optim_wrapper.optimizer) is torch.optim.SGD
    base = 0.01
    # warm-up: each step t adds (2 t + 1) / end^2 of the base rate, which makes (t + 1)^2 / end^2
    warm = [base * (t + 1) ** 2 / 16 for t in range(4)]
    # from iteration 4 on, the polynomial reaches 0 at iteration 7, the last before `end`
    poly = [base * (1 - t / 3) ** 0.9 for t in range(ITERATIONS - 4)]
    assert record.rates == pytest.approx([*warm, *poly])


def test_averaged_weights_are_the_average(trained):
    runner, record = trained
    saved = read_checkpoint(runner.work_dir + f'/iter_{ITERATIONS}.pth')
    expected = record.values[1].clone()  # the average starts as the first model, after a step
    for value in record.values[2:]:
        expected = expected * 0.75 + value * 0.25
    name = 'track_head.query_decoder.cls_embed.weight'
    # a checkpoint's state_dict holds the averaged weights, ema_state_dict those of the training
    assert not difference(saved['state_dict'][name], expected, atol=1e-6, rtol=1e-5)
    assert not difference(saved['ema_state_dict'][f'module.{name}'], record.values[-1], atol=1e-5)


def test_mmdetections_visualizer_draws_what_a_model_says(trained, tmp_path):
    needs('seaborn')
    runner, _ = trained
    config = runner.cfg
    config.visualizer = dict(type='mmdet.TrackLocalVisualizer', name='theirs')
    config.default_hooks.visualization.update(
        draw=True, draw_gt=False, test_out_dir=str(tmp_path), score_thr=0.0
    )
    config.update(experiment_name='drawn', work_dir=str(tmp_path))
    other = Runner.from_cfg(config)
    assert type(other.visualizer) is TrackLocalVisualizer
    other.model.load_state_dict(runner.model.state_dict())
    other.test()
    dataset, changed = other.test_dataloader.dataset, 0
    for item in map(dataset.get_data_info, range(len(dataset))):
        drawn = cv2.imread(str(tmp_path / str(item['video_id']) / f'{item["frame_id"]:05d}.jpg'))
        image = cv2.imread(item['img_path'])
        assert drawn.shape == image.shape
        changed += (cv2.absdiff(drawn, image) > 60).any()  # more than what JPEG changes
    assert changed

"""MMDetection's Mask2Former-VIS trains on our data and is scored by our metrics, in one config."""

from __future__ import annotations

from pathlib import Path

import mmdet
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_model import shrink_backbone, shrink_head

from rocovis_mm.evaluation.functional.tracks import load_ground_truth
from rocovis_mm.testing import make_tiny_dataset
from rocovis_mm.utils import load_config
from tests.conftest import REPOSITORY

CONFIG = REPOSITORY / 'configs/mask2former_vis/mask2former_vis_r50_custom.py'


@pytest.fixture
def config(tmp_path) -> Config:
    if not (Path(mmdet.__file__).parent / '.mim/configs/mask2former_vis').is_dir():
        pytest.skip('this mmdet carries no configs')
    dataset = make_tiny_dataset(tmp_path / 'data')
    names = tuple(load_ground_truth(Path(dataset.root, 'val.json')).categories.values())
    config = load_config(
        CONFIG,
        dict(
            data_root=f'{dataset.root}/', classes=names, num_workers=0,
            train_scale=(64, 64), test_scale=(64, 64),
        ),
    )  # fmt: skip
    config.model.init_cfg = None
    shrink_backbone(config.model.backbone)
    shrink_head(config.model.track_head)
    config.model.track_head.num_queries = 12
    config.model.track_head.train_cfg.num_points = 64
    config.work_dir = str(tmp_path / 'run')
    config.train_cfg.update(max_iters=1, val_interval=9)
    config.train_dataloader.batch_size = 1
    return config


def test_one_step_of_training_and_the_figures_of_a_test(config):
    runner = Runner.from_cfg(config)
    runner.train()
    figures = runner.test()
    assert {'AP', 'AP_boundary', 'AP_pool'} <= set(figures)
    videos = load_ground_truth(config.val_evaluator.ann_file).videos
    assert len(runner.test_dataloader.dataset) == len(videos)
    for item in runner.test_dataloader.dataset:
        assert len(item['inputs']) == len(item['data_samples'].video_data_samples) > 1

"""The data parts of the configs, on generated data."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from rocovis_mm.datasets.embedded import CLASSES, make_tiny_dataset
from tests.conftest import REPOSITORY


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    return make_tiny_dataset(tmp_path_factory.mktemp('configs') / 'tiny').root


def first_batches(config):
    with DefaultScope.overwrite_default_scope('mmdet'):
        for split in ('train', 'val', 'test'):
            loader = config[f'{split}_dataloader']
            loader.update(num_workers=0, persistent_workers=False)
            yield next(iter(Runner.build_dataloader(loader, seed=0)))


@pytest.mark.parametrize('name', ['embedded_vis', 'custom_vis'])
def test_the_pipelines_run(tiny, name):
    config = Config.fromfile(REPOSITORY / f'configs/_base_/datasets/{name}.py')
    for split in ('train', 'val', 'test'):
        dataset = config[f'{split}_dataloader'].dataset
        dataset.data_root = str(tiny)
        if 'metainfo' in dataset:
            dataset.metainfo.classes = CLASSES
    train, val, test = first_batches(config)
    clips, samples = train['inputs']['img'], train['data_samples']
    assert len(clips) == len(samples) == config.batch_size
    for clip, sample in zip(clips, samples):
        assert clip.shape[0] == len(sample) == config.num_frames
        assert clip.dtype == torch.uint8
        assert 'gt_instances' in sample[0] and 'clip_events' in sample[0].metainfo
        assert {frame.metainfo['video_id'] for frame in sample} == {sample[0].metainfo['video_id']}
    for batch in (val, test):
        (frame,), (sample,) = batch['inputs']['img'], batch['data_samples']
        assert frame.shape[0] == len(sample) == 1
        assert sample[0].metainfo['frame_id'] == 0
        assert sample[0].metainfo['ori_shape'] == (48, 80)


def test_the_top_of_the_template_reaches_everything_below(tmp_path):
    (tmp_path / 'custom_vis.py').write_text(
        (REPOSITORY / 'configs/_base_/datasets/custom_vis.py')
        .read_text()
        .replace("'data/my_videos/'", "'elsewhere/'")
        .replace("val_ann = 'val.json'", "val_ann = 'valid.json'")
    )
    config = Config.fromfile(tmp_path / 'custom_vis.py')
    assert config.train_dataloader.dataset.data_root == 'elsewhere/'
    assert config.test_dataloader.dataset.ann_file == 'valid.json'
    assert config.val_evaluator.ann_file == 'elsewhere/valid.json'
    assert config.num_classes == len(config.classes)

"""Our models and samplers on MMDetection's own video data sets."""

from __future__ import annotations

import json

import pytest
import torch
from mmdet.datasets import BaseVideoDataset
from mmengine.dataset import ConcatDataset
from mmengine.runner import Runner

from rocovis_mm.datasets import ClipSampler, VideoFrameSampler
from rocovis_mm.datasets.embedded import CLASSES, make_tiny_dataset
from rocovis_mm.datasets.samplers import video_frame_sampler
from rocovis_mm.formats.converters.cocovid import vis_to_cocovid
from tests.docs_snippets import read_snippet
from tests.test_configs.reduced_configs import reduce_loader, reduce_model, reduce_run


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """The generated data set, in CocoVID too."""
    root = make_tiny_dataset(tmp_path_factory.mktemp('mmdet') / 'data').root
    for split in ('train', 'val'):
        vis_to_cocovid(root / f'{split}.json', root / f'{split}_cocovid.json')
    return root


def dataset(root, split='val', **options):
    return BaseVideoDataset(
        ann_file=f'{split}_cocovid.json',
        data_root=str(root),
        data_prefix=dict(img_path='JPEGImages'),
        metainfo=dict(classes=CLASSES),
        test_mode=split == 'val',
        **options,
    )


@pytest.mark.parametrize('world', [1, 2, 5])
def test_frames_of_whole_videos_on_each_rank(root, monkeypatch, world):
    data, parts = dataset(root), []
    lengths = [video['length'] for video in json.loads((root / 'val.json').read_text())['videos']]
    for rank in range(world):
        monkeypatch.setattr(video_frame_sampler, 'get_dist_info', lambda rank=rank: (rank, world))
        parts.append(list(VideoFrameSampler(data)))
    assert sorted(index for part in parts for index in part) == [
        (video, frame) for video, length in enumerate(lengths) for frame in range(length)
    ]
    for part in parts:
        assert part == sorted(part)
    for video in range(len(lengths)):
        assert sum(video in {index[0] for index in part} for part in parts) == 1
    item = data[parts[0][1]]
    assert (item['video_id'], item['frame_id']) == ([parts[0][1][0] + 1], [parts[0][1][1]])


def test_a_data_set_that_says_nothing_of_its_videos(root):
    data = dataset(root)
    for other in (ConcatDataset([data, data]), range(3)):
        with pytest.raises(ValueError, match='VideoFrameSampler: a (ConcatDataset|range) does not'):
            VideoFrameSampler(other)


def test_clips_are_drawn_as_of_ours(root):
    data = dataset(root, 'train', filter_cfg=dict(filter_empty_gt=False))
    sampler = ClipSampler(data, seed=3, infinite=False)
    assert sorted(map(int, sampler)) == list(range(len(data)))
    draw = next(iter(sampler))
    assert data[draw]['video_id'] == data[int(draw)]['video_id']


def test_a_model_trains_and_tests_on_them(root, tmp_path):
    """The config of docs/mixing.md, reduced: MMDetection's data and transforms."""
    config = read_snippet('docs/mixing.md', 'mmdet_data.py', tmp_path)
    reduce_model(config.model)
    config.model.track_head.num_classes = len(CLASSES)
    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        reduce_loader(loader)
        loader.dataset.update(data_root=str(root), metainfo=dict(classes=CLASSES))
        loader.dataset.ann_file = f'{"train" if split == "train" else "val"}_cocovid.json'
        loader.dataset.data_prefix = dict(img_path='JPEGImages')
    config.val_evaluator.ann_file = config.test_evaluator.ann_file = str(root / 'val.json')
    reduce_run(config, tmp_path)
    torch.manual_seed(0)
    runner = Runner.from_cfg(config)
    runner.train()
    losses = {key: log.current() for key, log in runner.message_hub.log_scalars.items()}
    assert 0 < losses['train/loss'] < float('inf')
    figures = runner.test()
    assert set(figures) >= {'AP', 'AP_boundary', 'AP_pool'}
    assert not runner.model._videos  # every video was finished: its last frame was known

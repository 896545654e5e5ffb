"""RoCoVIS in MMTracking: it trains from its data set, and its metric scores it.

Runs in the environment of requirements/mmtrack.txt (`make mmtrack`); elsewhere MMTracking is not
there, or is one that MMDetection here refuses.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rocovis_mm.compat.dependencies import hosted_by_mmtrack

# not from tests.conftest: a requirement of MMTracking installs a package `tests` of its own
REPOSITORY = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not hosted_by_mmtrack(),
        reason='needs MMTracking 1.0.0rc1 with MMDetection 3.0.0rc5: make mmtrack',
    ),
]
NAMES = ('person', 'giant_panda', 'lizard', 'parrot', 'skateboard')  # of YouTube-VIS 2019
SMALL = """
_base_ = '{base}'
train_dataloader = dict(
    batch_size=1, num_workers=0, persistent_workers=False,
    dataset=dict(data_root='{data}/', ann_file='train.json', dataset_version='2019',
        data_prefix=dict(img_path='JPEGImages')),
)
val_dataloader = dict(
    num_workers=0, persistent_workers=False,
    dataset=dict(data_root='{data}/', ann_file='val.json', dataset_version='2019',
        data_prefix=dict(img_path='JPEGImages')),
)
test_dataloader = val_dataloader
train_cfg = dict(max_iters=2, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2), logger=dict(interval=1))
"""  # fmt: skip


def call(tool: str, *arguments: object, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, REPOSITORY / 'tools' / tool, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(REPOSITORY), 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('mmtrack')


@pytest.fixture(scope='module')
def config(folder) -> Path:
    """MMTracking's form of generated videos, and the shipped config with a small model."""
    from mmengine.config import Config
    from tiny_model import shrink_backbone, shrink_head

    from rocovis_mm.datasets.embedded import make_tiny_dataset
    from rocovis_mm.formats.converters.cocovid import vis_to_cocovid

    data = make_tiny_dataset(folder / 'vis').root
    for split in ('train', 'val'):
        path = Path(data, f'{split}.json')
        content = json.loads(path.read_text())
        for category, name in zip(content['categories'], NAMES):
            category['name'] = name
        path.write_text(json.dumps(content))
        vis_to_cocovid(path, Path(data, f'coco_{split}.json'))
        Path(data, f'coco_{split}.json').replace(path)
    base = REPOSITORY / 'configs/hosts/mmtrack/rocovis_r50_youtube-vis-2019.py'
    path = folder / 'small.py'
    path.write_text(SMALL.format(base=base, data=data))
    small = Config.fromfile(path)
    shrink_backbone(small.model.backbone)
    head = small.model.track_head
    shrink_head(head)
    head.num_queries = 12
    head.pixel_decoder.propagation.num_heads = 4
    head.assigner.num_points = head.loss.num_points = 64
    small.dump(path)
    return path


@pytest.fixture(scope='module')
def trained(config, folder) -> str:
    return call('train.py', config, '--work-dir', folder / 'run', folder=folder)


def test_a_clip_is_trained_and_the_videos_are_scored(trained, folder):
    assert 'Iter(train) [2/2]' in trained
    losses = [float(x) for x in re.findall(r'  loss: ([\d.]+)', trained)]
    assert len(losses) == 2 and all(0 < loss < 1e4 for loss in losses)
    assert 'youtube_vis/segm_mAP' in trained
    assert (folder / 'run/iter_2.pth').is_file()


def test_a_checkpoint_has_the_names_of_the_other_host(trained, folder):
    names = torch.load(folder / 'run/iter_2.pth', map_location='cpu')['state_dict']
    for name in (
        'track_head.pixel_decoder.encoder.layers.1.self_attn.sampling_offsets.weight',
        'track_head.pixel_decoder.propagation.16.attention.in_proj_weight',
        'track_head.query_decoder.transformer_decoder.layers.0.cross_attn.attn.in_proj_weight',
    ):
        assert name.replace('layers.1', 'layers.0') in names


def test_the_videos_are_tested_from_a_checkpoint(trained, config, folder):
    log = call(
        'test.py', config, folder / 'run/iter_2.pth', '--work-dir', folder / 'test', folder=folder
    )
    assert 'youtube_vis/segm_mAP' in log


def test_a_streamed_video_has_results_in_every_sample(config):
    from mmengine.config import Config
    from mmengine.runner import Runner

    import rocovis_mm.models  # noqa: F401
    from rocovis_mm.registry import MODELS

    settings = Config.fromfile(config)
    settings.default_scope = 'mmtrack'
    settings.work_dir = str(config.parent / 'stream')
    runner = Runner.from_cfg(settings)
    model = MODELS.build(settings.model).eval()
    loader = runner.build_dataloader(settings.test_dataloader)
    ends = 0
    for batch in loader:
        (sample,) = model.test_step(batch)
        found = sample.pred_track_instances
        assert len(found.bboxes) == len(found.masks) == len(found.instances_id)
        assert found.masks.shape[1:] == tuple(sample.ori_shape)
        ends += 'video_tracks' in sample
        assert ('video_tracks' in sample) == (sample.frame_id == sample.video_length - 1)
    assert ends == len({item['video_id'] for item in map(loader.dataset.get_data_info,
                                                         range(len(loader.dataset)))})  # fmt: skip

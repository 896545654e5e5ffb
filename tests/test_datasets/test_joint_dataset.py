"""Videos and images together: ratios, determinism, resuming, ranks, and what does not fit."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from rocovis_mm.datasets import ClipSampler, JointDataset
from rocovis_mm.datasets.embedded import CLASSES, make_tiny_dataset
from rocovis_mm.datasets.samplers import clip_sampler
from rocovis_mm.formats.converters.cocovid import vis_to_cocovid
from rocovis_mm.models.data_preprocessors import VISDataPreprocessor
from rocovis_mm.registry import DATASETS
from rocovis_mm.utils import load_config
from tests.conftest import REPOSITORY

DEMO = REPOSITORY / 'configs/rocovis/rocovis_demo_coco-joint.py'
VIDEOS, IMAGES = 4, 32  # of make_tiny_dataset: 4 videos of 8 frames


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """The generated data set with its frames as a COCO-format one."""
    folder = make_tiny_dataset(tmp_path_factory.mktemp('joint') / 'tiny').root
    vis_to_cocovid(folder / 'train.json', folder / 'images.json')
    return folder


def dataset_config(root, kind, **changes):
    settings = dict(
        type=f'rocovis_mm.{kind}',
        data_root=str(root),
        ann_file=dict(VISDataset='train.json', COCOPseudoVideos='images.json')[kind],
        data_prefix=dict(img='JPEGImages'),
        metainfo=dict(classes=CLASSES),
    )
    return {**settings, **changes}


def joint(root, ratios=(3, 1), **changes):
    kinds = ('VISDataset', 'COCOPseudoVideos')
    parts = [dataset_config(root, kind, **changes.get(kind, {})) for kind in kinds]
    return JointDataset(parts, ratios)


def loader_of(root, workers=0, start=0, **options):
    """The demo's training data, from this rank's draw number `start` on."""
    config = load_config(DEMO, dict(data_root=f'{root}/', num_workers=workers, **options))
    with DefaultScope.overwrite_default_scope('mmdet'):
        loader = Runner.build_dataloader(config.train_dataloader, seed=7)
    loader.sampler.start_at(start)
    return loader


def content_of(batch):
    """All that a model gets of each clip, as comparable values."""
    return [
        (
            clip.shape,
            clip.sum(dim=(1, 2, 3)).tolist(),
            [frame.img_path for frame in sample],
            [frame.flip for frame in sample],
            [frame.gt_instances.instances_ids.tolist() for frame in sample],
            [frame.gt_instances.masks.masks.sum((1, 2)).tolist() for frame in sample],
        )
        for clip, sample in zip(batch['inputs']['img'], batch['data_samples'])
    ]


def is_image(sample):
    return len({frame.img_path for frame in sample}) == 1


@pytest.fixture(scope='module')
def batches(root):
    return [content_of(batch) for batch in islice(loader_of(root), 8)]


def test_workers_change_nothing(root, batches):
    loader = loader_of(root, workers=2)
    iterator = iter(loader)
    assert [content_of(batch) for batch in islice(iterator, 8)] == batches
    iterator._shutdown_workers()


@pytest.mark.parametrize('batch', [1, 5])
def test_going_on_in_the_middle_of_a_pass(root, batches, batch):
    loader = loader_of(root, start=3 * batch)  # three clips in a batch, as the config has it
    assert [content_of(each) for each in islice(loader, 8 - batch)] == batches[batch:]


def test_ranks_see_what_one_rank_sees(root, batches, monkeypatch):
    clips = [clip for batch in batches[:6] for clip in batch]
    shared = []
    for rank in range(3):
        monkeypatch.setattr(clip_sampler, 'get_dist_info', lambda rank=rank: (rank, 3))
        loader = loader_of(root, batch_size=1)
        shared.append([content_of(batch)[0] for batch in islice(loader, 6)])
    assert [clip for trio in zip(*shared) for clip in trio] == clips


def test_videos_and_images_come_in_one_batch_and_are_padded_together(root):
    preprocessor, mixed = VISDataPreprocessor(), 0
    for batch in islice(loader_of(root, batch_size=4), 6):
        kinds = {is_image(sample) for sample in batch['data_samples']}
        prepared = preprocessor(batch, training=True)
        images = prepared['inputs']['img']
        assert images.shape[:3] == (4, 4, 3)
        for sample in prepared['data_samples']:
            for frame in sample:
                assert frame.gt_instances.masks.masks.shape[1:] == tuple(images.shape[-2:])
                assert (frame.gt_instances.labels < len(CLASSES)).all()
        mixed += len(kinds) == 2
    assert mixed >= 2


def draws_of(dataset, number, **settings):
    return [int(draw) for draw in islice(ClipSampler(dataset, seed=5, **settings), number)]


def test_draws_keep_the_ratio_whatever_the_sizes(root):
    dataset = joint(root, ratios=(3, 1))
    assert len(dataset) == VIDEOS + IMAGES
    draws = np.array(draws_of(dataset, 4000))
    assert (draws < VIDEOS).mean() == pytest.approx(0.75, abs=0.03)
    videos, images = draws[draws < VIDEOS], draws[draws >= VIDEOS] - VIDEOS
    for part, size in ((videos, VIDEOS), (images, IMAGES)):
        passes = part[: len(part) // size * size].reshape(-1, size)
        assert (np.sort(passes, axis=1) == np.arange(size)).all()
        assert (passes[0] != passes[1]).any()


def test_keys_and_ranks_of_joint_draws(root, monkeypatch):
    dataset = joint(root)
    whole = [(int(draw), draw.key) for draw in islice(ClipSampler(dataset, seed=5), 60)]
    assert [key for _, key in whole] == [(5, number) for number in range(60)]
    shares = []
    for rank in range(2):
        monkeypatch.setattr(clip_sampler, 'get_dist_info', lambda rank=rank: (rank, 2))
        sampler = ClipSampler(dataset, seed=5)
        shares.append([(int(draw), draw.key) for draw in islice(sampler, 30)])
        sampler.start_at(11)
        assert [(int(d), d.key) for d in islice(sampler, 19)] == shares[-1][11:]
    assert [draw for pair in zip(*shares) for draw in pair] == whole


def test_events_are_preferred_among_the_videos_alone(root):
    dataset = joint(root, ratios=(1, 1))
    dataset.datasets[0].__class__ = type(
        'Eventful', (type(dataset.datasets[0]),), dict(event_videos=[2])
    )
    plain = np.array(draws_of(dataset, 1000))
    preferred = np.array(draws_of(dataset, 1000, event_prob=0.6))
    videos = plain < VIDEOS
    assert (preferred[~videos] == plain[~videos]).all()
    assert (preferred[videos] == 2).mean() == pytest.approx(0.6 + 0.4 / VIDEOS, abs=0.07)
    images = JointDataset([dataset_config(root, 'COCOPseudoVideos')] * 2, (1, 1))
    with pytest.raises(ValueError, match='JointDataset has no event_videos.*event_prob=0'):
        ClipSampler(images, seed=5, event_prob=0.5)


def test_an_epoch_sees_the_videos_once_on_average(root):
    sampler = ClipSampler(joint(root, ratios=(1, 3)), seed=5, infinite=False)
    assert len(sampler) == 4 * VIDEOS
    epochs = []
    for epoch in range(50):
        sampler.set_epoch(epoch)
        epochs.append([int(draw) for draw in sampler])
    assert {len(epoch) for epoch in epochs} == {4 * VIDEOS}
    assert np.mean([sum(i < VIDEOS for i in epoch) for epoch in epochs]) == pytest.approx(
        4, abs=0.8
    )


@pytest.mark.parametrize(
    ('ratios', 'changes', 'message'),
    [
        ((1, 0), {}, r'2 datasets and ratios=\[1, 0\].*positive ratio'),
        ((1, 1, 1), {}, '2 datasets and ratios'),
        ((1, -1), {}, 'positive ratio'),
        (
            (1, 1),
            dict(COCOPseudoVideos=dict(metainfo=dict(classes=CLASSES[::-1]))),
            r'images\.json has the classes .*train\.json has .*same metainfo.*category_map',
        ),
        ((1, 1), dict(VISDataset=dict(test_mode=True)), r'train\.json has test_mode=True'),
        (
            (1, 1),
            dict(COCOPseudoVideos=dict(indices=0, serialize_data=False)),
            r'images\.json holds no items',
        ),
        (
            (1, 1),
            dict(
                VISDataset=dict(pipeline=[dict(type='rocovis_mm.SampleClip', num_frames=3)]),
                COCOPseudoVideos=dict(
                    pipeline=[dict(type='rocovis_mm.PseudoClip', num_frames=4, scales=[(9, 9)])]
                ),
            ),
            r'images\.json gives clips of 4 frames, .*train\.json of 3; set the same num_frames',
        ),
    ],
)
def test_data_sets_that_do_not_fit_together(root, ratios, changes, message):
    with pytest.raises(ValueError, match=message):
        joint(root, ratios, **changes)


def test_it_is_built_from_a_config_and_has_the_first_ones_classes(root):
    parts = [dataset_config(root, kind) for kind in ('VISDataset', 'COCOPseudoVideos')]
    parts[0]['metainfo'] = None  # the file's own
    dataset = DATASETS.build(dict(type='rocovis_mm.JointDataset', datasets=parts, ratios=[2, 6]))
    assert dataset.shares.tolist() == [0.25, 0.75]
    assert dataset.metainfo['classes'] == CLASSES
    assert dataset.get_data_info(VIDEOS)['img_path'].endswith('.jpg')


def train(root, work_dir, iterations, resume=False):
    """Train the tiny joint config, with a checkpoint after each iteration."""
    small = dict(num_frames=2, input_size=(80, 48), num_workers=0, single_frames_until=0)
    config = load_config(DEMO, dict(small, data_root=f'{root}/'))
    config.merge_from_dict(
        dict(
            work_dir=str(work_dir),
            experiment_name=f'{work_dir.name}-{iterations}-{resume}',
            resume=resume,
            log_level='WARNING',
            default_hooks=dict(checkpoint=dict(interval=1, save_best=None)),
            train_cfg=dict(max_iters=iterations, val_interval=100),
        )
    )
    coco = config.train_dataloader.dataset.datasets[1].pipeline[2]
    coco.update(crop_range=(30, 48))
    for split in ('val', 'test'):
        for key in ('dataloader', 'evaluator', 'cfg'):
            config.pop(f'{split}_{key}')
    torch.manual_seed(0)
    runner = Runner.from_cfg(config)
    runner.train()
    return runner


def test_the_tiny_joint_config_trains_and_resumes(root, tmp_path):
    whole = train(root, tmp_path / 'whole', 2)
    started = train(root, tmp_path / 'halves', 1).model.state_dict()
    resumed = train(root, tmp_path / 'halves', 2, resume=True)
    assert resumed.iter == 2
    counts = resumed.message_hub.get_info('clip_events')
    assert counts == whole.message_hub.get_info('clip_events') and counts['clips'] == 6
    changed = 0
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, atol=1e-6, rtol=0)
        changed += not torch.equal(started[name], value)
    assert changed > 100

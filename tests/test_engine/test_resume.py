"""Training goes on exactly where it stopped, in a real mmengine Runner on the CPU."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner

import rocovis_mm.models.data_preprocessors  # noqa: F401
from rocovis_mm.datasets import JointDataset
from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.engine import IterTrainLoop
from rocovis_mm.engine.hooks import IterPipelineSwitchHook
from rocovis_mm.registry import MODELS


@MODELS.register_module(force=True)
class ToyVIS(BaseModel):
    """Predicts each pixel's foreground from its colour, at random points."""

    def __init__(self):
        super().__init__(data_preprocessor=dict(type='rocovis_mm.VISDataPreprocessor'))
        self.net = torch.nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        image = inputs['img'].flatten(0, 1)  # (BT, 3, H, W)
        frames = [frame for clip in data_samples for frame in clip.video_data_samples]
        target = np.stack([frame.gt_instances.masks.masks.any(0) for frame in frames])
        logit, target = self.net(image)[:, 0], torch.from_numpy(target).float()
        points = torch.randint(logit[0].numel(), (64,))  # a loss with random points
        noise = float(np.random.rand())
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logit.flatten(1)[:, points], target.flatten(1)[:, points]
        )
        return dict(loss=loss * (1 + 0.1 * noise))


class PowerCutError(Exception):
    """Ends a run without warning."""


class RecordHook(Hook):
    """Keeps what each iteration saw and computed; cuts the power before iteration `stop`."""

    def __init__(self, log, stop):
        self.log = log
        self.stop = stop

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.stop:
            raise PowerCutError

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        frames = [frame for clip in data_batch['data_samples'] for frame in clip.video_data_samples]
        self.log.append(
            dict(
                iter=runner.iter,
                loss=float(outputs['loss'].detach()),
                frames=[(f.img_id, f.flip, f.scale_factor) for f in frames],
                pixels=[int(img.sum()) for img in data_batch['inputs']['img']],
            )
        )


def pipeline():
    return [
        dict(type='rocovis_mm.SampleClip', num_frames=2, frame_range=2, reverse_prob=0.5),
        dict(
            type='TransformBroadcaster',
            share_random_params=True,
            transforms=[
                dict(type='rocovis_mm.LoadVISFrame'),
                dict(type='rocovis_mm.LoadVISAnnotations'),
                dict(
                    type='RandomChoiceResize',
                    resize_type='rocovis_mm.AlignedResize',
                    scales=[(80, 48), (60, 36)],
                    keep_ratio=True,
                ),
                dict(type='mmdet.RandomFlip', prob=0.5),
                dict(type='mmdet.PhotoMetricDistortion'),
            ],
        ),
        dict(type='rocovis_mm.PackVISInputs'),
    ]


def small_pipeline():
    """Frames of a size that :func:`pipeline` does not give, else drawn as its are."""
    first, clips, last = pipeline()
    clips['transforms'][2] = dict(type='rocovis_mm.AlignedResize', scale=(40, 24), keep_ratio=True)
    return [first, clips, last]


def switch_hook(iteration):
    return dict(
        type='rocovis_mm.IterPipelineSwitchHook',
        switch_iter=iteration,
        switch_pipeline=small_pipeline(),
    )


def train(
    root,
    work_dir,
    stop=8,
    *,
    by_epoch=False,
    resume=False,
    workers=0,
    accumulate=1,
    seed=3,
    switch=None,
    hooks=(),
    checkpoint='CheckpointHook',
):
    """Train 8 iterations (4 epochs of 2), cut short before iteration `stop`.

    A checkpoint is written after every iteration (epoch). From iteration `switch` on
    the clips are those of :func:`small_pipeline`. `hooks` come last. Returns what was seen.
    """
    log = []
    loop = (
        dict(type='rocovis_mm.EpochTrainLoop', max_epochs=4)
        if by_epoch
        else dict(type='rocovis_mm.IterTrainLoop', max_iters=8)
    )
    runner = Runner(
        model=dict(type='rocovis_mm.ToyVIS'),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=2,
            num_workers=workers,
            persistent_workers=workers > 0,
            sampler=dict(type='rocovis_mm.ClipSampler', infinite=not by_epoch),
            dataset=dict(
                type='rocovis_mm.VISDataset',
                data_root=str(root),
                ann_file='train.json',
                data_prefix=dict(img='JPEGImages'),
                pipeline=pipeline(),
            ),
        ),
        train_cfg=loop,
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01), accumulative_counts=accumulate),
        param_scheduler=[dict(type='CosineAnnealingLR', T_max=8, by_epoch=by_epoch)],
        default_hooks=dict(
            checkpoint=dict(type=checkpoint, interval=1, by_epoch=by_epoch),
            logger=dict(type='LoggerHook', interval=100),
        ),
        custom_hooks=[
            dict(type='rocovis_mm.IterationSeedHook'),
            dict(type='rocovis_mm.ClipEventHook'),
            RecordHook(log, stop),
            *([] if switch is None else [switch_hook(switch)]),
            *hooks,
        ],
        randomness=dict(seed=seed),
        resume=resume,
        default_scope='mmdet',
        log_level='WARNING',
        experiment_name=f'{work_dir.name}-{stop}-{resume}',
    )
    with pytest.raises(PowerCutError) if stop < 8 else nullcontext():
        runner.train()
    end_workers(runner)
    return log, runner


def end_workers(runner):
    """Let go of the workers now: found by the garbage collector they take 5 s each to end."""
    if hasattr(runner.train_loop, 'dataloader_iterator'):
        runner.train_loop.dataloader_iterator = None
    runner.train_dataloader._iterator = None


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    return make_tiny_dataset(tmp_path_factory.mktemp('resume') / 'tiny').root


@pytest.fixture(scope='module')
def whole(tiny, tmp_path_factory):
    return train(tiny, tmp_path_factory.mktemp('whole'))


def differences(first, second):
    """Return in which iterations two runs saw or computed other things, and which."""
    if len(first) != len(second):
        return [f'{len(first)} and {len(second)} iterations']
    found = []
    for one, other in zip(first, second):
        expected = dict(other, loss=pytest.approx(other['loss'], abs=1e-6))
        found += [(one['iter'], name) for name in expected if one[name] != expected[name]]
    return found


def test_n_and_resume_and_n_equals_2n(tiny, tmp_path, whole):
    first, _ = train(tiny, tmp_path, 4)
    second, runner = train(tiny, tmp_path, resume=True)
    assert not differences(first + second, whole[0])
    for name, value in whole[1].model.state_dict().items():
        torch.testing.assert_close(runner.model.state_dict()[name], value, atol=1e-6, rtol=0)


def test_workers_and_prefetching_change_nothing(tiny, tmp_path, whole):
    first, _ = train(tiny, tmp_path, 3, workers=2)
    second, _ = train(tiny, tmp_path, resume=True, workers=1)
    assert not differences(first + second, whole[0])


def test_resume_with_accumulated_gradients(tiny, tmp_path):
    straight, _ = train(tiny, tmp_path / 'straight', accumulate=2)
    first, _ = train(tiny, tmp_path / 'halves', 4, accumulate=2)
    second, _ = train(tiny, tmp_path / 'halves', accumulate=2, resume=True)
    assert not differences(first + second, straight)


def test_a_seed_nobody_gave_is_resumed_too(tiny, tmp_path):
    straight, _ = train(tiny, tmp_path, seed=None)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_3.pth'))
    second, _ = train(tiny, tmp_path, seed=None, resume=True)
    assert not differences(second, straight[3:])


def test_epochs_resume_exactly(tiny, tmp_path):
    straight, _ = train(tiny, tmp_path / 'straight', by_epoch=True)
    first, _ = train(tiny, tmp_path / 'halves', 4, by_epoch=True)
    second, _ = train(tiny, tmp_path / 'halves', by_epoch=True, resume=True)
    assert not differences(first + second, straight)
    for epoch in range(4):  # each sees each of the 4 videos, of 8 frames each, once
        seen = straight[2 * epoch : 2 * epoch + 2]
        assert {frame[0] // 8 for entry in seen for frame in entry['frames']} == set(range(4))
    assert straight[0]['frames'] != straight[2]['frames']


def test_event_counts_go_on(tiny, tmp_path, whole):
    train(tiny, tmp_path, 4)
    _, runner = train(tiny, tmp_path, resume=True)
    counts = runner.message_hub.get_info('clip_events')
    assert counts == whole[1].message_hub.get_info('clip_events')
    assert counts['clips'] == 16


def test_an_interrupted_accumulation_is_reported(tiny, tmp_path, capsys):
    train(tiny, tmp_path, 3, accumulate=2)
    train(tiny, tmp_path, 4, accumulate=2, resume=True)
    captured = capsys.readouterr()
    assert 'accumulative_counts' in captured.out + captured.err


def smaller(entries, whole):
    """Return which iterations saw the frames of :func:`small_pipeline`; the videos are the same."""
    found = []
    for entry, other in zip(entries, whole):
        assert [frame[0] for frame in entry['frames']] == [frame[0] for frame in other['frames']]
        sides = {frame[2] for frame in entry['frames']}
        found += [entry['iter']] if sides == {(0.5, 0.5)} else []
        assert entry['iter'] in found or entry == other
    return found


@pytest.mark.parametrize('workers', [0, 2])
def test_the_pipeline_switches_between_two_iterations(tiny, tmp_path, whole, workers):
    straight, _ = train(tiny, tmp_path / 'straight', switch=5, workers=workers)
    assert smaller(straight, whole[0]) == [5, 6, 7]
    for stop in (3, 5, 6):  # before, at and after the switch
        folder = tmp_path / f'{stop}'
        first, _ = train(tiny, folder, stop, switch=5, workers=workers)
        second, _ = train(tiny, folder, switch=5, resume=True)
        assert not differences(first + second, straight)


@pytest.mark.parametrize('workers', [0, 2])
def test_the_batch_size_switches_too_and_a_run_may_switch_twice(tiny, tmp_path, workers):
    hooks = [dict(switch_hook(3), switch_batch_size=1), dict(switch_hook(6), switch_batch_size=3)]
    straight, _ = train(tiny, tmp_path / 'straight', hooks=hooks, workers=workers)
    assert [len(entry['pixels']) for entry in straight] == [2, 2, 2, 1, 1, 1, 3, 3]
    for stop in (3, 5, 7):
        folder = tmp_path / f'{stop}'
        first, _ = train(tiny, folder, stop, hooks=hooks, workers=workers)
        second, _ = train(tiny, folder, hooks=hooks, resume=True)
        assert not differences(first + second, straight)


def test_two_switches_at_one_iteration_both_count_and_the_later_pipeline_holds(tiny, tmp_path):
    hooks = [dict(switch_hook(3), switch_batch_size=1), switch_hook(3)]
    hooks[0]['switch_pipeline'] = []  # it would return no clips
    straight, _ = train(tiny, tmp_path / 'straight', hooks=hooks)
    once, _ = train(tiny, tmp_path / 'once', hooks=[dict(switch_hook(3), switch_batch_size=1)])
    assert [len(entry['pixels']) for entry in straight[:4]] == [2, 2, 2, 1]
    assert not differences(straight, once)


def test_a_batch_without_clips_is_refused():
    with pytest.raises(ValueError, match='switch_batch_size=0; give a number'):
        IterPipelineSwitchHook(5, [], switch_batch_size=0)


def test_a_pipeline_is_switched_in_runs_by_iterations_only(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"train_cfg=dict\(type='rocovis_mm.IterTrainLoop'\)"):
        train(tiny, tmp_path, by_epoch=True, switch=5)


def test_mistakes_of_the_second_pipeline_show_at_the_start(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), 'small_pipeline', lambda: [dict(type='Nowhere')])
    with pytest.raises(KeyError, match='Nowhere'):
        train(tiny, tmp_path, stop=1, switch=5)  # a PowerCutError otherwise


def test_a_data_set_without_a_pipeline_of_its_own_is_refused():
    loop = Mock(spec=IterTrainLoop)
    loop.dataloader = SimpleNamespace(dataset=JointDataset.__new__(JointDataset))
    hook = IterPipelineSwitchHook(5, [])
    with pytest.raises(ValueError, match='JointDataset has no `pipeline`.*take one data set'):
        hook.before_train(SimpleNamespace(train_loop=loop, iter=0))

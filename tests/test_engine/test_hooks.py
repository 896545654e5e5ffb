from __future__ import annotations

import copy
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample, TrackDataSample

from rocovis_mm.engine.hooks import (
    ClipEventHook,
    IterationSeedHook,
    clip_event_hook,
    iteration_seed_hook,
)
from rocovis_mm.engine.hooks.annotation_file_hook import annotation_files
from rocovis_mm.structures import TrainingStage


class Hub:
    """Stands for mmengine's message hub."""

    def __init__(self):
        self.runtime_info = {}

    def update_info(self, key, value):
        self.runtime_info[key] = value


class Logger:
    def __init__(self):
        self.lines = []

    def info(self, line):
        self.lines.append(line)


def batch(*events):
    samples = []
    for clip in events:
        sample = TrackDataSample()
        sample.video_data_samples = [DetDataSample(metainfo=clip), DetDataSample()]
        samples.append(sample)
    return dict(data_samples=samples)


@pytest.mark.parametrize('world', [1, 2])
def test_events_are_summed_at_the_interval_and_at_the_end(monkeypatch, world):
    monkeypatch.setattr(clip_event_hook, 'get_world_size', lambda: world)
    runner = SimpleNamespace(iter=0, message_hub=Hub(), logger=Logger(), model=torch.nn.Module())
    hook = ClipEventHook(interval=2)
    events = dict(births=1, disappearances=2, returns=0, occlusions=3)
    batches = [batch(dict(clip_events=events), dict(clip_events=events)), batch({}), batch({})]
    for iteration, data in enumerate(batches):
        runner.iter = iteration
        hook.after_train_iter(runner, iteration, data)
        totals = runner.message_hub.runtime_info.get('clip_events')
        assert (totals is None) == (iteration == 0 and world > 1)
    seen = 4 if world == 1 else 3  # one rank is always up to date
    assert totals == dict(clips=seen, births=2, disappearances=4, returns=0, occlusions=6)
    hook.after_train(runner)
    assert runner.message_hub.runtime_info['clip_events']['clips'] == 4
    expected = 'training saw 2 births, 4 disappearances, 0 returns, 6 occlusions in 4 clips'
    assert runner.logger.lines == [expected]


def test_single_frames_hold_no_events():
    model = torch.nn.Module()
    runner = SimpleNamespace(iter=0, message_hub=Hub(), logger=Logger(), model=model)
    hook = ClipEventHook()
    data = batch(dict(clip_events=dict(births=1)))
    for single, clips in ((True, 0), (False, 1)):
        model.training_stage = TrainingStage(single_frames=single)
        hook.after_train_iter(runner, 0, data)
        assert runner.message_hub.runtime_info['clip_events']['clips'] == clips


def test_a_senseless_interval():
    with pytest.raises(ValueError, match='interval'):
        ClipEventHook(interval=0)


def test_random_numbers_of_an_iteration_depend_on_seed_and_iteration():
    def numbers(seed, iteration):
        IterationSeedHook().before_train_iter(SimpleNamespace(seed=seed, iter=iteration), 0)
        return random.random(), np.random.rand(), torch.rand(1).item()

    first = numbers(1, 5)
    assert numbers(1, 5) == first
    assert not set(numbers(1, 6)) & set(first)
    assert not set(numbers(2, 5)) & set(first)


@pytest.mark.parametrize('ranks', [1, 2, 3])
def test_a_clip_keeps_its_key_whatever_the_number_of_ranks(monkeypatch, ranks):
    """As the sampler deals the draws: in iteration i of batches of 6 in all, 6 i to 6 i + 5."""
    keys = []
    for rank in range(ranks):
        monkeypatch.setattr(iteration_seed_hook, 'get_dist_info', lambda rank=rank: (rank, ranks))
        data = batch(*[{}] * (6 // ranks))
        IterationSeedHook().before_train_iter(SimpleNamespace(seed=7, iter=4), 0, data)
        keys += [sample[0].draw_key for sample in data['data_samples']]
    assert sorted(keys) == [(7, number, 2) for number in range(24, 30)]


def test_accumulated_batches_have_the_keys_of_one_large_batch():
    keys = []
    for iteration in (8, 9):
        data = batch({}, {})
        IterationSeedHook().before_train_iter(SimpleNamespace(seed=7, iter=iteration), 0, data)
        keys += [sample[0].draw_key for sample in data['data_samples']]
    assert keys == [(7, number, 2) for number in range(16, 20)]


def test_batches_of_other_models_are_left_alone():
    image = DetDataSample()
    for data in (None, [1], dict(data_samples=[image]), dict(inputs=1)):
        before = copy.copy(data)
        IterationSeedHook().before_train_iter(SimpleNamespace(seed=7, iter=4), 0, data)
        assert data == before
    assert image.all_keys() == []  # no draw_key


def test_annotation_files_inside_wrappers(tmp_path):
    paths = [tmp_path / name for name in ('a.json', 'b.json', 'c.json')]
    for path in paths:
        path.write_text('{}')
    a, b, c = (SimpleNamespace(ann_file=str(path)) for path in paths)
    wrapped = SimpleNamespace(
        datasets=[SimpleNamespace(dataset=a), b, SimpleNamespace(ann_file='')]
    )
    assert list(annotation_files(wrapped)) == [str(path) for path in paths[:2]]
    assert list(annotation_files(SimpleNamespace(datasets=[wrapped, c]))) == list(map(str, paths))

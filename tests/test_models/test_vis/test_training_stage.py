"""What a stage of training makes of a batch of clips."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_model import box_tubes, clip_sample, images, stream_sample, tiny_model

from rocovis_mm.structures import TrainingStage

PRESENCE = [[1, 0, 1], [0, 1, 1]]


def batch(size=(64, 96)):
    tubes = box_tubes(PRESENCE, size)
    samples = [clip_sample(tubes, [3, 1]), clip_sample(tubes[:0], [])]
    return torch.stack([images(3, size), images(3, size, seed=1)]), samples


def staged(**stage):
    model = tiny_model().train()
    model.training_stage = TrainingStage(**stage)
    return model


def test_by_default_clips_are_taken_whole():
    clips, samples = batch()
    taken, targets = tiny_model().clips_to_learn(clips, samples)
    assert torch.equal(taken, clips)
    assert [len(target) for target in targets] == [2, 0]


def test_single_frames_are_clips_of_one_frame_in_the_same_order():
    clips, samples = batch()
    taken, targets = staged(single_frames=True).clips_to_learn(clips, samples)
    assert taken.shape == (6, 1, 3, 64, 96) and len(targets) == 6
    for b in range(2):
        for t in range(3):
            assert torch.equal(taken[3 * b + t, 0], clips[b, t])
    assert [target.labels.tolist() for target in targets] == [[3], [1], [3, 1], [], [], []]
    assert all(target.present.all() for target in targets)


@pytest.mark.parametrize(
    ('scale', 'size', 'expected'),
    [(0.5, (64, 128), (32, 64)), (0.5, (96, 160), (64, 96)), (0.3, (64, 64), (32, 32))],
)
def test_scaled_sides_are_multiples_of_the_lowest_stride(scale, size, expected):
    clips, samples = batch(size)
    taken, targets = staged(scale=scale).clips_to_learn(clips, samples)
    assert all(0 <= got - side * scale < 32 for got, side in zip(expected, size))
    assert tuple(taken.shape[-2:]) == expected
    assert all(tuple(target.masks.shape[-2:]) == expected for target in targets)


def test_images_and_masks_shrink_alike():
    tubes = np.zeros((1, 1, 64, 64), bool)
    tubes[:, :, 8:40, 20:52] = True
    clip = torch.from_numpy(tubes[0]).float()[None, :, None].expand(1, 1, 3, -1, -1)
    taken, (target,) = staged(scale=0.5).clips_to_learn(clip, [clip_sample(tubes, [0])])
    assert torch.equal(taken[0, 0, 0] > 0.5, target.masks[0, 0])


def test_clips_are_augmented_unless_the_stage_ends_that():
    clips, samples = batch()
    for augment in (True, False):
        model = staged(augment=augment)
        model.clip_augment = lambda images, targets: (images + 1, targets[::-1])
        taken, targets = model.clips_to_learn(clips, samples)
        assert torch.equal(taken, clips + augment)
        assert [len(target) for target in targets] == ([0, 2] if augment else [2, 0])


@pytest.mark.parametrize('stage', [dict(single_frames=True), dict(single_frames=True, scale=0.5)])
def test_every_stage_trains(stage):
    clips, samples = batch((64, 64))
    model = staged(**stage)
    losses = model.loss({'img': clips}, samples)
    sum(losses.values()).backward()
    assert all(torch.isfinite(value) for value in losses.values())
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_testing_does_not_heed_the_stage():
    model, sample = tiny_model().eval(), stream_sample(1, [0], 1)
    model.training_stage = TrainingStage(single_frames=True, scale=0.5)
    model.predict({'img': [images(1)]}, [sample])
    staged_masks = sample.video_data_samples[0].pred_track_instances.masks
    model.training_stage = TrainingStage()
    model.predict({'img': [images(1)]}, [sample])
    assert torch.equal(sample.video_data_samples[0].pred_track_instances.masks, staged_masks)


@pytest.mark.parametrize('scale', [0, -1, float('nan'), 1.5])
def test_impossible_scales_are_refused(scale):
    with pytest.raises(ValueError, match='scale'):
        TrainingStage(scale=scale)

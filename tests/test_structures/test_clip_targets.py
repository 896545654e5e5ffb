"""Targets of a clip, and how a training sample becomes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_model import box_tubes, clip_sample

from rocovis_mm.models.vis.base import clip_targets
from rocovis_mm.structures import ClipTargets

CPU = torch.device('cpu')


@pytest.mark.parametrize('instances', [0, 1, 3])
@pytest.mark.parametrize('frames', [1, 4])
def test_present_is_whether_a_pixel_shows(instances, frames):
    rng = np.random.default_rng(instances + frames)
    masks = rng.random((instances, frames, 3, 4)) < 0.08
    targets = ClipTargets(
        torch.zeros(instances, dtype=torch.long), torch.from_numpy(masks), torch.arange(instances)
    )
    expected = [[bool(masks[g, t].any()) for t in range(frames)] for g in range(instances)]
    assert targets.present.shape == (instances, frames)
    assert targets.present.tolist() == expected
    assert len(targets) == instances


def test_instances_are_gathered_by_their_ids_over_the_frames():
    #          enters late, always there, leaves and returns
    presence = [[0, 1, 1], [1, 1, 1], [1, 0, 1]]
    tubes = box_tubes(presence)
    targets = clip_targets(clip_sample(tubes, [4, 2, 3], ids=[0, 77, 5]), CPU)
    assert len(targets) == 3 and targets.masks.dtype == torch.bool
    for row, instance_id in enumerate(targets.ids.tolist()):
        g = [0, 77, 5].index(instance_id)
        assert targets.labels[row] == [4, 2, 3][g]
        assert np.array_equal(targets.masks[row].numpy(), tubes[g])


def test_a_clip_without_instances_has_targets_of_no_rows():
    targets = clip_targets(clip_sample(np.zeros((0, 2, 8, 6), bool), []), CPU)
    assert targets.masks.shape == (0, 2, 8, 6)
    assert targets.labels.dtype == targets.ids.dtype == torch.long


def test_the_order_of_instances_within_a_frame_does_not_matter():
    tubes = box_tubes([[1, 1], [1, 1]])
    sample = clip_sample(tubes, [1, 2], ids=[10, 20])
    frame = sample.video_data_samples[1]
    frame.gt_instances = frame.gt_instances[torch.tensor([1, 0])]
    targets = clip_targets(sample, CPU)
    assert targets.ids.tolist() == [10, 20]
    assert np.array_equal(targets.masks.numpy(), tubes)


def test_single_frames_are_clips_without_the_unseen():
    tubes = box_tubes([[0, 1, 0], [1, 1, 0]])
    frames = ClipTargets(
        torch.tensor([4, 2]), torch.from_numpy(tubes), torch.tensor([8, 9])
    ).frames()
    assert [frame.ids.tolist() for frame in frames] == [[9], [8, 9], []]
    assert [frame.labels.tolist() for frame in frames] == [[2], [4, 2], []]
    for t, frame in enumerate(frames):
        assert frame.masks.shape[1:] == (1, 64, 64)
        expected = [tubes[[8, 9].index(i), t] for i in frame.ids.tolist()]
        assert all(np.array_equal(m[0], e) for m, e in zip(frame.masks.numpy(), expected))


@pytest.mark.parametrize('size', [(16, 16), (32, 16), (64, 64)])
def test_resized_masks_are_area_averages_at_one_half(size):
    rng = np.random.default_rng(0)
    masks = rng.random((2, 3, 64, 64)) < 0.5
    targets = ClipTargets(torch.arange(2), torch.from_numpy(masks), torch.arange(2))
    y, x = 64 // size[0], 64 // size[1]
    share = masks.reshape(2, 3, size[0], y, size[1], x).mean((3, 5))
    resized = targets.resize(size)
    assert resized.masks.dtype == torch.bool
    assert np.array_equal(resized.masks.numpy(), share >= 0.5)
    assert resized.ids is targets.ids and targets.masks.shape[-1] == 64


def test_targets_of_no_rows_resize_to_no_rows():
    empty = ClipTargets(torch.zeros(0).long(), torch.zeros(0, 2, 64, 64) > 0, torch.zeros(0).long())
    assert empty.resize((32, 16)).masks.shape == (0, 2, 32, 16)

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import Mock

import torch

from rocovis_mm.engine.hooks import CurriculumHook
from rocovis_mm.structures import ClipTargets, TrainingStage


def stages(hook: CurriculumHook, iterations: list[int]) -> list[TrainingStage]:
    model = SimpleNamespace(training_stage=TrainingStage())
    seen = []
    for iteration in iterations:
        hook.before_train_iter(SimpleNamespace(iter=iteration, model=model, logger=Mock()), 0)
        seen.append(model.training_stage)
    return seen


def test_the_stage_is_a_function_of_the_iteration():
    hook = CurriculumHook(single_frames_until=10, half_size_until=20, augment_until=30)
    small_frames, small_clips = TrainingStage(True, 0.5), TrainingStage(False, 0.5)
    assert stages(hook, [0, 9, 10, 19, 20, 29, 30]) == [
        small_frames,
        small_frames,
        small_clips,
        small_clips,
        TrainingStage(),
        TrainingStage(),
        TrainingStage(augment=False),
    ]
    assert stages(hook, [20, 0]) == [TrainingStage(), small_frames]


def test_frames_of_a_clip_hold_what_each_shows():
    masks = torch.zeros(2, 3, 4, 4, dtype=torch.bool)
    masks[0, :2, 0, 0] = True
    masks[1, 1:, 2:, 2:] = True
    clip = ClipTargets(torch.tensor([5, 6]), masks, torch.tensor([50, 60]))
    frames = clip.frames()
    assert [frame.ids.tolist() for frame in frames] == [[50], [50, 60], [60]]
    assert [frame.labels.tolist() for frame in frames] == [[5], [5, 6], [6]]
    for t, frame in enumerate(frames):
        seen = masks[:, t].flatten(1).any(1)
        assert torch.equal(frame.masks, masks[seen][:, t : t + 1])


def test_half_size_masks_are_the_majority_of_their_pixels():
    torch.manual_seed(0)
    masks = torch.rand(2, 3, 8, 12) > 0.5
    clip = ClipTargets(torch.tensor([0, 1]), masks, torch.tensor([1, 2]))
    blocks = masks.view(2, 3, 4, 2, 6, 2).sum((3, 5))
    assert torch.equal(clip.resize((4, 6)).masks, blocks >= 2)
    nothing = ClipTargets(clip.labels[:0], masks[:0], clip.ids[:0])
    assert nothing.resize((4, 6)).masks.shape == (0, 3, 4, 6)

from __future__ import annotations

import pytest
import torch

from rocovis_mm.models.data_preprocessors import ClipCopyPaste
from rocovis_mm.models.data_preprocessors.clip_copy_paste import shifted
from rocovis_mm.structures import ClipTargets


def clip(value: float, instance_id: int, box: tuple[int, int, int, int]):
    """A clip of two frames of one grey, with one instance in a box that moves down a row."""
    top, left, bottom, right = box
    masks = torch.zeros(1, 2, 12, 16, dtype=torch.bool)
    masks[0, 0, top:bottom, left:right] = True
    masks[0, 1, top + 1 : bottom + 1, left:right] = True
    target = ClipTargets(torch.tensor([instance_id % 3]), masks, torch.tensor([instance_id]))
    return torch.full((2, 3, 12, 16), value), target


def batch():
    (image_a, target_a), (image_b, target_b) = clip(1, 4, (2, 2, 6, 8)), clip(2, 5, (4, 6, 9, 12))
    return torch.stack([image_a, image_b]), [target_a, target_b]


def test_a_pasted_instance_brings_its_pixels_its_class_and_its_way():
    images, targets = batch()
    out, pasted = ClipCopyPaste(prob=1.0, max_instances=1, max_shift=0.0)(images, targets)
    for b, other in ((0, 1), (1, 0)):
        wanted = targets[other].masks[0]
        assert pasted[b].labels.tolist() == [*targets[b].labels, *targets[other].labels]
        assert pasted[b].ids.tolist() == [int(targets[b].ids), -1 - int(targets[other].ids)]
        assert torch.equal(pasted[b].masks[1], wanted)
        assert torch.equal(pasted[b].masks[0], targets[b].masks[0] & ~wanted)  # it is in front
        assert torch.equal(out[b, :, 0] == images[other, 0, 0, 0, 0], wanted)


def test_every_pixel_has_at_most_one_owner_under_random_shifts():
    torch.manual_seed(0)
    images, targets = batch()
    for _ in range(30):
        out, pasted = ClipCopyPaste(prob=1.0, max_shift=0.6)(images, targets)
        for b, other in ((0, 1), (1, 0)):
            assert pasted[b].masks.sum(0).max() <= 1
            assert torch.equal(out[b, :, 0] == images[other, 0, 0, 0, 0], pasted[b].masks[1])


def test_without_a_source_or_a_chance_nothing_changes():
    images, targets = batch()
    empty = ClipTargets(torch.zeros(0).long(), torch.zeros(0, 2, 12, 16).bool(), torch.zeros(0))
    for augment, given in ((ClipCopyPaste(prob=0.0), targets), (ClipCopyPaste(1.0), [empty] * 2)):
        out, pasted = augment(images, given)
        assert torch.equal(out, images)
        assert all(x is y for x, y in zip(pasted, given))


@pytest.mark.parametrize('shift', [(0, 0), (3, 0), (-2, 5), (12, 0), (0, -16), (40, -40)])
def test_shifting_is_what_a_loop_does(shift):
    x = torch.arange(12 * 16.0).view(12, 16) + 1
    wanted = torch.zeros(12, 16)
    for i in range(12):
        for j in range(16):
            if 0 <= i - shift[0] < 12 and 0 <= j - shift[1] < 16:
                wanted[i, j] = x[i - shift[0], j - shift[1]]
    assert torch.equal(shifted(x, shift), wanted)


def test_senseless_settings_are_refused():
    with pytest.raises(ValueError, match='prob=2'):
        ClipCopyPaste(prob=2)

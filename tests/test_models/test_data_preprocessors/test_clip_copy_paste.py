from __future__ import annotations

import pytest
import torch

from rocovis_mm.models.data_preprocessors import ClipCopyPaste
from rocovis_mm.structures import ClipTargets


def clip(value: float, instance_id: int, box: tuple[int, int, int, int]):
    """A clip of two frames of one grey, with one instance in a box that moves down a row."""
    top, left, bottom, right = box
    masks = torch.zeros(1, 2, 12, 16, dtype=torch.bool)
    masks[0, 0, top:bottom, left:right] = True
    masks[0, 1, top + 1 : bottom + 1, left:right] = True
    target = ClipTargets(torch.tensor([instance_id % 3]), masks, torch.tensor([instance_id]))
    return torch.full((2, 3, 12, 16), float(value)), target


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


def moved(x: torch.Tensor, dy: int, dx: int) -> torch.Tensor:
    """Move (T, 12, 16) by a loop over the pixels; what comes in is False."""
    out = torch.zeros_like(x)
    for i in range(12):
        for j in range(16):
            if 0 <= i - dy < 12 and 0 <= j - dx < 16:
                out[:, i, j] = x[:, i - dy, j - dx]
    return out


def test_a_shift_moves_the_whole_way_of_an_instance_also_over_the_edge():
    torch.manual_seed(0)
    images, (target, _) = batch()
    paste = ClipCopyPaste(max_shift=1.0).paste_instance
    ways = {
        (dy, dx): moved(target.masks[0], dy, dx) for dy in range(-12, 13) for dx in range(-16, 17)
    }
    seen = set()
    for _ in range(60):
        mask = paste(images[1].clone(), images[0], target.masks[0])
        found = [shift for shift, way in ways.items() if torch.equal(way, mask)]
        assert found
        seen.update(found)
    assert any(dy > 4 for dy, _ in seen) and any(dx < -4 for _, dx in seen)


def test_scale_is_about_the_centre_of_the_way():
    images, (target, _) = batch()  # rows 2 to 6, then 3 to 7; columns 2 to 8
    paste = ClipCopyPaste(max_shift=0.0, scale_range=(2.0, 2.0)).paste_instance
    mask = paste(images[1].clone(), images[0], target.masks[0])
    wanted = torch.zeros_like(mask)
    # the way is rows 2 to 7 and columns 2 to 8; now rows -0.5 to 9.5, rounded down, and -1 to 11
    wanted[0, 0:7, 0:11] = True
    wanted[1, 1:9, 0:11] = True
    assert torch.equal(mask, wanted)
    small = ClipCopyPaste(max_shift=0.0, scale_range=(0.5, 0.5)).paste_instance
    assert 4 <= small(images[1].clone(), images[0], target.masks[0])[0].sum() <= 9  # 24 / 4 = 6


def test_mirroring_turns_mask_and_pixels_alike():
    image = torch.arange(2 * 3 * 12 * 16.0).view(2, 3, 12, 16)
    mask = torch.zeros(2, 12, 16, dtype=torch.bool)
    mask[0, 3:6, 4], mask[0, 5, 4:8], mask[1, 3, 4:10] = True, True, True
    flipped = ClipCopyPaste(max_shift=0.0, flip_prob=1.0)
    out = torch.zeros_like(image)
    pasted = flipped.paste_instance(out, image, mask)
    wanted = torch.zeros_like(mask)  # the way has columns 4 to 10
    for j in range(4, 10):
        wanted[:, :, 13 - j] = mask[:, :, j]
    assert torch.equal(pasted, wanted)
    t, y, x = pasted.nonzero().unbind(1)
    assert torch.equal(out[t, :, y, x], image[t, :, y, 13 - x])
    assert (out.sum(1)[~pasted] == 0).all()


def test_gains_scale_each_channel_of_all_frames():
    torch.manual_seed(1)
    images, (target, _) = batch()
    out = images[1].clone()
    paste = ClipCopyPaste(max_shift=0.0, gain_range=(0.5, 1.5)).paste_instance
    pasted = paste(out, images[0], target.masks[0])
    gains = out.movedim(1, -1)[pasted]  # the source is 1 everywhere
    assert (gains == gains[0]).all() and len(gains[0].unique()) == 3
    assert ((gains >= 0.5) & (gains <= 1.5)).all()


def test_the_memory_layout_of_frames_stays():
    images, targets = batch()
    frames = images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    out, _ = ClipCopyPaste(prob=1.0)(frames.unflatten(0, (2, 2)), targets)
    assert out.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        (dict(prob=2), 'prob=2'),
        (dict(flip_prob=-1), 'flip_prob=-1'),
        (dict(scale_range=(0, 1)), 'scale_range='),
        (dict(gain_range=(2, 1)), 'gain_range='),
    ],
)
def test_senseless_settings_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        ClipCopyPaste(**setting)

"""The loss of single pixels against plain loops, and its place in the heads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_model import box_tubes, clip_sample, images, tiny_model

from rocovis_mm.models.losses import PixelLoss
from rocovis_mm.models.losses.pixel_loss import pixel_targets
from rocovis_mm.structures import ClipTargets, StreamState

NUM_CLASSES = 3
SIZE = (4, 6)


def frame(*boxes: tuple[int, int, int, int], labels: tuple[int, ...]) -> ClipTargets:
    """Instances of 16 x 24 pixels: rows and columns of each box."""
    masks = torch.zeros(len(boxes), 1, 16, 24, dtype=torch.bool)
    for mask, (top, bottom, left, right) in zip(masks, boxes):
        mask[0, top:bottom, left:right] = True
    return ClipTargets(torch.tensor(labels, dtype=torch.long), masks, torch.arange(len(boxes)))


FRAMES = [
    frame((0, 8, 0, 8), (7, 16, 9, 24), labels=(2, 0)),
    frame(labels=()),
    frame((3, 5, 3, 5), labels=(1,)),  # a quarter of no pixel of the map
]


def plain_targets(target: ClipTargets) -> tuple[np.ndarray, np.ndarray]:
    labels, offsets = np.full(SIZE, NUM_CLASSES), np.zeros((2, *SIZE))
    for label, mask in zip(target.labels.tolist(), target.masks[:, 0].numpy()):
        shares = mask.reshape(4, 4, 6, 4).mean((1, 3))
        rows, columns = (np.arange(16) + 0.5) / 16, (np.arange(24) + 0.5) / 24
        centre = (
            mask.mean(1) @ rows / mask.mean(1).sum(),
            mask.mean(0) @ columns / mask.mean(0).sum(),
        )
        for i, j in zip(*np.nonzero(shares > 0.5)):
            labels[i, j] = label
            offsets[:, i, j] = centre[0] - (i + 0.5) / 4, centre[1] - (j + 0.5) / 6
    return labels, offsets


@pytest.mark.parametrize('target', FRAMES)
def test_targets_are_those_of_a_loop(target):
    labels, offsets = pixel_targets(target, SIZE, NUM_CLASSES)
    expected = plain_targets(target)
    assert labels.tolist() == expected[0].tolist()
    np.testing.assert_allclose(offsets.numpy(), expected[1], atol=1e-6)


def test_values_are_those_of_a_loop():
    torch.manual_seed(0)
    criterion = PixelLoss(8, NUM_CLASSES, class_weight=2.0, centre_weight=3.0, no_object_weight=0.3)
    pixels = torch.randn(3, 8, *SIZE)
    losses = criterion(pixels, FRAMES)
    predicted = criterion.predictor(pixels).detach().double().numpy()
    entropy = weights = error = inside = 0.0
    for found, target in zip(predicted, FRAMES):
        labels, offsets = plain_targets(target)
        for i in range(SIZE[0]):
            for j in range(SIZE[1]):
                label, logits = labels[i, j], found[: NUM_CLASSES + 1, i, j]
                weight = 0.3 if label == NUM_CLASSES else 1.0
                entropy += weight * (np.log(np.exp(logits).sum()) - logits[label])
                weights += weight
                if label < NUM_CLASSES:
                    error += 8 * np.abs(found[-2:, i, j] - offsets[:, i, j]).sum()
                    inside += 1
    assert losses['loss_pixel_cls'].item() == pytest.approx(2 * entropy / weights, rel=1e-5)
    assert losses['loss_pixel_centre'].item() == pytest.approx(3 * error / inside, rel=1e-5)


def test_frames_without_weight_give_finite_losses():
    losses = PixelLoss(8, NUM_CLASSES, no_object_weight=0.0)(
        torch.randn(1, 8, *SIZE), [frame(labels=())]
    )
    assert [value.item() for value in losses.values()] == [0, 0]


def test_frames_without_instances_reach_every_parameter():
    criterion = PixelLoss(8, NUM_CLASSES)
    losses = criterion(torch.randn(1, 8, *SIZE), [frame(labels=())])
    assert losses['loss_pixel_centre'].item() == 0
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in criterion.parameters())
    assert criterion.predictor.weight.grad[: NUM_CLASSES + 1].any()


@pytest.mark.parametrize(
    ('method', 'prefix', 'options'),
    [
        ('minvis', '', {}),
        ('genvis', 'frame.', {}),
        ('rocovis', '', dict(strides=())),  # a frame's pixels depend on the frame alone
    ],
)
def test_a_clip_has_the_losses_of_its_frames(method, prefix, options):
    """Each frame's pixels are compared with that frame's instances."""
    model = tiny_model(method=method, pixel_loss=True, place_octaves=2, **options).train()
    tubes = box_tubes([[1, 1, 1], [1, 0, 1], [0, 1, 1]])
    clips = torch.stack([images(3, seed=0), images(3, seed=1)])
    parts = [(tubes, [0, 1, 2]), (tubes[::-1].copy(), [1, 1, 0])]
    whole = model.loss({'img': clips}, [clip_sample(*part) for part in parts])
    single = model.loss(
        {'img': clips.flatten(0, 1)[:, None]},
        [clip_sample(mask[:, t : t + 1], labels) for mask, labels in parts for t in range(3)],
    )
    for name in ('loss_pixel_cls', 'loss_pixel_centre'):
        torch.testing.assert_close(whole[prefix + name], single[prefix + name])


def test_it_is_no_part_of_the_prediction():
    model = tiny_model(pixel_loss=True)
    names = {name for name, _ in model.named_parameters() if 'pixel_criterion' in name}
    assert len(names) == 2
    plain = tiny_model()
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if k not in names})
    one, other = (x.step(images(1), StreamState())[0] for x in (model.eval(), plain.eval()))
    assert torch.equal(one.mask_logits[-1], other.mask_logits[-1])

"""ClipLoss against a plain computation over every pixel."""

from __future__ import annotations

import numpy as np
import plain_reference as plain
import pytest
import torch
from mmdet.utils import reduce_mean
from tiny_model import tiny_config

from rocovis_mm.models import ClipLoss, UVLAAssigner, UVLAPlusPlusAssigner
from rocovis_mm.models.losses import clip_loss
from rocovis_mm.structures import ClipTargets, FramePrediction

CLIPS, FRAMES, QUERIES, CLASSES, LAYERS, SIDE = 2, 3, 4, 5, 3, 4
BOTH = pytest.mark.parametrize('kind', [UVLAAssigner, UVLAPlusPlusAssigner])


def build(**options) -> ClipLoss:
    config = tiny_config(num_classes=CLASSES).track_head.loss
    config.pop('type')
    config.update(num_classes=CLASSES, num_points=SIDE * SIDE, **options)
    return ClipLoss(**config)


@pytest.fixture
def every_pixel(monkeypatch):
    """Let the loss sample each pixel centre of a prediction once."""
    centres = (torch.arange(SIDE) + 0.5) / SIDE
    y, x = torch.meshgrid(centres, centres, indexing='ij')
    grid = torch.stack([x, y], dim=-1).view(1, -1, 2)
    monkeypatch.setattr(
        clip_loss,
        'uncertain_points',
        lambda logits, *_: grid.expand(len(logits), -1, -1),
    )


def clip(seed: int, presences: list[list[list[int]]], scale: int = 1):
    """Return predictions, coarse targets (G, T, SIDE, SIDE) and targets `scale` times finer."""
    torch.manual_seed(seed)
    predictions = [
        FramePrediction(
            tuple(torch.randn(CLIPS, QUERIES, CLASSES + 1).requires_grad_() for _ in range(LAYERS)),
            tuple(torch.randn(CLIPS, QUERIES, SIDE, SIDE).requires_grad_() for _ in range(LAYERS)),
            torch.zeros(CLIPS, QUERIES, 1),
            {},
        )
        for _ in range(FRAMES)
    ]
    targets = []
    for presence in presences:
        there = torch.tensor(presence, dtype=torch.bool).view(-1, FRAMES, 1, 1)
        masks = torch.rand(len(there), FRAMES, SIDE, SIDE) > 0.4
        masks[:, :, 0, 0] = True
        fine = (masks & there).repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        labels = torch.randint(0, CLASSES, (len(there),))
        targets.append(ClipTargets(labels, fine, torch.arange(len(there))))
    return predictions, targets


def supervise(kind, predictions, targets):
    """Let the assigner say what is supervised: T lists of B frame targets."""
    assigner = kind(tiny_config().track_head.assigner.match_costs, 32)
    owners = [torch.full((LAYERS, QUERIES), -1) for _ in targets]
    supervision = []
    for t, prediction in enumerate(predictions):
        frame = []
        for b, target in enumerate(targets):
            classes = torch.stack([x[b] for x in prediction.class_logits]).detach()
            masks = torch.stack([x[b] for x in prediction.mask_logits]).detach()
            owners[b] = assigner.assign(classes, masks, target, t, owners[b])
            frame.append(assigner.supervise(owners[b], target, t, CLASSES))
        supervision.append(frame)
    return supervision


def reference(
    predictions, supervision, targets, initial=True, scale=1, carried=False
) -> dict[str, float]:
    """Return every loss, query by query and pixel by pixel."""
    weight = [1.0] * CLASSES + [0.1]
    frames = [(t, b) for t in range(FRAMES) for b in range(CLIPS)]
    class_sum = sum(weight[k] for t, b in frames for k in supervision[t][b].labels[-1])
    supervised = sum(int((supervision[t][b].instances[-1] >= 0).sum()) for t, b in frames)
    masks = max(supervised, 1)
    losses = {}
    for layer in range(LAYERS):
        cls = mask = dice = 0.0
        for t, b in frames:
            if layer == 0 and t == 0 and not initial:
                continue
            target = supervision[t][b]
            for n in range(QUERIES):
                label = int(target.labels[layer, n])
                classes = predictions[t].class_logits[layer][b, n].detach().numpy()
                if layer > 0 or t == 0 or carried:  # else those of the frame before
                    cls -= weight[label] * np.log(plain.softmax(classes)[label]) / class_sum
                g = int(target.instances[layer, n])
                if g < 0:
                    continue
                wanted = targets[b].masks[g, t, ::scale, ::scale].numpy().astype(float)
                logits = predictions[t].mask_logits[layer][b, n].detach().numpy()
                mask += plain.bce(logits, wanted).mean() / masks
                dice += plain.dice(logits, wanted) / masks
        prefix = '' if layer == LAYERS - 1 else f'd{layer}.'
        losses[f'{prefix}loss_cls'] = 2 * cls
        losses[f'{prefix}loss_mask'] = 5 * mask
        losses[f'{prefix}loss_dice'] = 5 * dice
    return losses


#          born, disappears, returns · always there · never there       late
PRESENCE = [[[1, 0, 1], [1, 1, 1], [0, 0, 0]], [[0, 1, 0]]]
CASES = [PRESENCE, [[], [[1, 1, 0]]], [[], []], [[[0, 0, 0]], []]]


@BOTH
@pytest.mark.parametrize(('initial', 'carried'), [(True, False), (False, False), (True, True)])
@pytest.mark.parametrize('presences', CASES)
def test_equals_the_plain_computation(every_pixel, kind, initial, carried, presences):
    predictions, targets = clip(0, presences)
    supervision = supervise(kind, predictions, targets)
    criterion = build(supervise_initial=initial, supervise_carried=carried)
    losses = criterion(predictions, supervision, targets)
    expected = reference(predictions, supervision, targets, initial, carried=carried)
    assert losses.keys() == expected.keys()
    for key, value in losses.items():
        assert value.item() == pytest.approx(expected[key], rel=1e-5, abs=1e-6), key


def test_targets_may_be_finer_than_predictions(every_pixel):
    predictions, targets = clip(1, PRESENCE, scale=4)
    supervision = supervise(UVLAPlusPlusAssigner, predictions, targets)
    losses = build()(predictions, supervision, targets)
    expected = reference(predictions, supervision, targets, scale=4)
    for key, value in losses.items():
        assert value.item() == pytest.approx(expected[key], rel=1e-5), key


@BOTH
def test_only_uvla_plus_plus_teaches_a_disappeared_instance_an_empty_mask(every_pixel, kind):
    predictions, targets = clip(2, PRESENCE)
    supervision = supervise(kind, predictions, targets)
    losses = build()(predictions, supervision, targets)
    sum(losses.values()).backward()
    query = supervision[0][0].instances[-1].tolist().index(0)  # its instance is away in frame 1
    for layer in range(LAYERS):
        assert supervision[1][0].labels[layer, query] == CLASSES
        gradient = predictions[1].mask_logits[layer].grad[0, query]
        if kind is UVLAAssigner:
            assert not gradient.any()
        else:
            assert (gradient > 0).all()  # every pixel is pushed down
        never = [n for n in range(QUERIES) if supervision[2][0].instances[layer, n] < 0]
        assert never and not predictions[2].mask_logits[layer].grad[0, never].any()


def test_the_mask_normaliser_counts_the_empty_masks_too(every_pixel):
    """With all masks alike, each loss is the mean over supervised masks, so their share shows."""
    predictions, targets = clip(3, [[[1, 0, 0]], []])
    loss = build()
    uvla, plus = (
        loss(predictions, supervise(kind, predictions, targets), targets)
        for kind in (UVLAAssigner, UVLAPlusPlusAssigner)
    )
    supervision = supervise(UVLAPlusPlusAssigner, predictions, targets)
    query = supervision[0][0].instances[-1].tolist().index(0)
    logits = [p.mask_logits[-1][0, query].detach().numpy() for p in predictions]
    wanted = targets[0].masks[0, 0].numpy()
    parts = [plain.bce(logits[0], wanted).mean(), *(plain.bce(x, 0.0).mean() for x in logits[1:])]
    assert uvla['loss_mask'].item() == pytest.approx(5 * parts[0], rel=1e-5)
    assert plus['loss_mask'].item() == pytest.approx(5 * sum(parts) / 3, rel=1e-5)


def test_normalisers_are_averaged_over_ranks(every_pixel, monkeypatch):
    """Pretend that the other ranks supervise three times as much."""
    predictions, targets = clip(4, PRESENCE)
    supervision = supervise(UVLAPlusPlusAssigner, predictions, targets)
    alone = build()(predictions, supervision, targets)
    monkeypatch.setattr(clip_loss, 'reduce_mean', lambda x: reduce_mean(x) * 2)
    averaged = build()(predictions, supervision, targets)
    for key, value in alone.items():
        assert averaged[key].item() == pytest.approx(value.item() / 2, rel=1e-5)


def test_deep_supervision_keys():
    predictions, targets = clip(5, PRESENCE)
    losses = build()(predictions, supervise(UVLAAssigner, predictions, targets), targets)
    names = {'loss_cls', 'loss_mask', 'loss_dice'}
    assert set(losses) == names | {f'd{i}.{name}' for i in range(LAYERS - 1) for name in names}


def test_unsupervised_initial_prediction_gets_no_gradient_in_frame_zero_alone():
    predictions, targets = clip(6, PRESENCE)
    supervision = supervise(UVLAPlusPlusAssigner, predictions, targets)
    sum(build(supervise_initial=False)(predictions, supervision, targets).values()).backward()
    for t, prediction in enumerate(predictions):
        for layer in range(LAYERS):
            # classes of prediction 0 are those of the frame before, which have learned them
            for logits, expected in (
                (prediction.class_logits[layer], layer > 0),
                (prediction.mask_logits[layer], layer > 0 or t > 0),
            ):
                learns = logits.grad is not None and bool(logits.grad.any())
                assert learns == expected


def test_points_are_drawn_as_configured(monkeypatch):
    calls = []
    drawn = clip_loss.uncertain_points

    def spy(logits, blocks, *rest):
        calls.append(rest)
        return drawn(logits, blocks, *rest)

    monkeypatch.setattr(clip_loss, 'uncertain_points', spy)
    predictions, targets = clip(7, PRESENCE)
    criterion = build(oversample_ratio=2.5, importance_sample_ratio=0.5)
    criterion(predictions, supervise(UVLAAssigner, predictions, targets), targets)
    assert set(calls) == {(SIDE * SIDE, 2.5, 0.5)}


def test_drawn_points_read_logits_and_targets_at_the_same_places():
    """A prediction equal to its target costs less than its opposite."""
    predictions, targets = clip(8, [[[1, 1, 1]], []])
    supervision = supervise(UVLAAssigner, predictions, targets)
    right, wrong = (
        agreeing_loss(predictions, supervision, targets, sign=sign) for sign in (20, -20)
    )
    for key in ('loss_mask', 'loss_dice', 'd0.loss_mask', 'd0.loss_dice'):
        assert right[key] < 0.6 * wrong[key]


def agreeing_loss(predictions, supervision, targets, sign):
    """Return the losses where the first clip's owned query says `sign` times its target."""
    with torch.no_grad():
        for t, prediction in enumerate(predictions):
            for layer, logits in enumerate(prediction.mask_logits):
                query = supervision[t][0].instances[layer].tolist().index(0)
                logits[0, query] = (targets[0].masks[0, t].float() * 2 - 1) * sign
    return build()(predictions, supervision, targets)

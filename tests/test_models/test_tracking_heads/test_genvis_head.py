"""GenVIS: the read of the past and the losses against loops; what learns and what is frozen."""

from __future__ import annotations

import math

import numpy as np
import plain_reference as plain
import pytest
import torch
from comparing import difference
from test_rocovis_head import PRESENCE, training_losses, without_gradient
from tiny_model import box_tubes, clip_sample, images, tiny_model

from rocovis_mm.models.losses.genvis_loss import Embeddings, GenVISLoss, similarity_loss
from rocovis_mm.structures import ClipTargets, QueryMemory, StreamState

LONG = [[*row, 1] for row in PRESENCE]  # four frames: the memory's keys matter from the third on


def linear(layer: torch.nn.Linear, x: np.ndarray) -> np.ndarray:
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


@torch.no_grad()
@pytest.mark.parametrize('frames', [0, 1, 3])
def test_a_query_reads_its_own_past_alone(frames):
    decoder = tiny_model(method='genvis').track_head.object_decoder
    torch.manual_seed(0)
    queries = torch.randn(2, 7, 32)
    memory = [QueryMemory(torch.randn(2, 7, 32), torch.randn(2, 7, 32)) for _ in range(frames)]
    read = decoder.read(queries, memory).numpy()
    for b in range(2):
        for n in range(7):
            key = linear(decoder.query_key, queries[b, n].numpy())
            scores = [float(key @ frame.keys[b, n].numpy()) for frame in memory]
            weights = plain.softmax(scores) if scores else []
            values = [frame.values[b, n].numpy() for frame in memory]
            expected = sum((w * v for w, v in zip(weights, values)), np.zeros(32))
            assert read[b, n] == pytest.approx(expected, abs=1e-4, rel=1e-7)


@torch.no_grad()
@pytest.mark.parametrize(('memory_frames', 'lengths'), [(None, [1, 2, 3, 4]), (2, [1, 2, 2, 2])])
def test_the_memory_grows_as_published_or_is_bounded(memory_frames, lengths):
    model = tiny_model(method='genvis', memory_frames=memory_frames)
    state, seen = StreamState(), []
    for frame in images(4):
        _, state = model.step(frame[None], state)
        seen.append(len(state.memory))
    assert seen == lengths


def test_every_parameter_receives_a_gradient():
    model = tiny_model(method='genvis', layers=3).train()
    sum(training_losses(model, LONG).values()).backward()
    assert without_gradient(model) == []


def test_clips_without_any_instance_give_finite_losses_and_gradients():
    model = tiny_model(method='genvis').train()
    losses = training_losses(model, [[0, 0, 0]])
    assert losses['loss_mask'].item() == losses['loss_dice'].item() == 0
    assert losses['loss_similarity'].item() == 0
    sum(losses.values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_frozen_detector_neither_learns_nor_moves():
    model = tiny_model(method='genvis', freeze_detector=True).train()
    losses = training_losses(model, LONG)
    assert not [name for name in losses if name.startswith('frame.')]
    sum(losses.values()).backward()
    learned = {n.split('.')[1] for n, p in model.named_parameters() if p.grad is not None}
    assert learned == {'object_decoder'}
    assert not any(module.training for module in model.backbone.modules())
    assert model.track_head.object_decoder.training


@pytest.mark.parametrize('frame_layers', [1, 3])
def test_training_and_streaming_are_one_recurrence(monkeypatch, frame_layers):
    """What the losses see of the last frame layer is what a stream predicts."""
    model = tiny_model(method='genvis', layers=3, frame_layers=frame_layers)
    seen = []
    monkeypatch.setattr(
        model.track_head.object_criterion, 'forward', lambda *args: seen.append(args) or {}
    )
    clips = torch.stack([images(4), images(4, seed=1)])
    tubes = box_tubes([[1] * 4])
    model.loss({'img': clips}, [clip_sample(tubes, [0]), clip_sample(tubes, [1])])
    for b, clip in enumerate(clips):
        state = StreamState()
        for t, frame in enumerate(clip):
            prediction, state = model.step(frame[None], state)
            classes, masks, *_ = seen[t]
            row = 2 * (frame_layers - 1) + b
            streamed = prediction.class_logits[-1][0], prediction.mask_logits[-1][0]
            assert not difference(classes[-1][row], streamed[0], atol=1e-3, rtol=1e-3)
            assert not difference(masks[-1][row], streamed[1], atol=1e-2, rtol=1e-3)


def test_similarity_is_the_mean_over_pairs_of_one_clip():
    torch.manual_seed(0)
    vectors = torch.randn(6, 4)
    ids, clips = torch.tensor([1, 1, 2, 1, 2, 2]), torch.tensor([0, 0, 0, 1, 1, 1])
    total, pairs = 0.0, 0
    for i in range(6):
        for j in range(6):
            if clips[i] != clips[j]:
                continue
            logit = float(vectors[i] @ vectors[j])
            p = 1 / (1 + math.exp(-logit))
            total -= math.log(p if ids[i] == ids[j] else 1 - p)
            pairs += 1
    found = similarity_loss(Embeddings(vectors, ids, clips))
    assert found.item() == pytest.approx(total / pairs, rel=1e-5)


SIDE, CLASSES = 4, 5


def build_loss() -> GenVISLoss:
    config = tiny_model(method='genvis').track_head.object_criterion
    return GenVISLoss(
        num_classes=CLASSES,
        loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=False, loss_weight=2.0),
        loss_mask=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0),
        loss_dice=dict(
            type='mmdet.DiceLoss', use_sigmoid=True, naive_dice=True, eps=1.0, loss_weight=5.0
        ),
        num_points=SIDE * SIDE,
        similarity_weight=config.similarity_weight,
    )


def test_losses_equal_the_plain_computation(monkeypatch):
    """Also where two instances share one query: both masks are learned, the later class."""
    centres = (torch.arange(SIDE) + 0.5) / SIDE
    y, x = torch.meshgrid(centres, centres, indexing='ij')
    grid = torch.stack([x, y], dim=-1).view(1, -1, 2)
    monkeypatch.setattr(
        'rocovis_mm.models.losses.clip_loss.uncertain_points',
        lambda logits, *_: grid.expand(len(logits), -1, -1),
    )
    torch.manual_seed(0)
    classes = [torch.randn(2, 3, CLASSES + 1) for _ in range(2)]
    masks = [torch.randn(2, 3, SIDE, SIDE) for _ in range(2)]
    targets = [
        ClipTargets(
            torch.tensor([1, 4, 0]), torch.rand(3, 2, SIDE, SIDE) > 0.5, torch.tensor([7, 8, 9])
        ),
        ClipTargets(torch.tensor([2]), torch.rand(1, 2, SIDE, SIDE) > 0.5, torch.tensor([3])),
    ]
    targets[0].masks[1, 1] = False  # away
    slots = [torch.tensor([[2, 0, 2], [1, 0, 0]]), torch.tensor([[0], [2]])]
    nothing = Embeddings(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0).long())
    losses = build_loss()(classes, masks, slots, targets, 1, nothing)
    seen = [[0, 2], [0]]
    count = sum(map(len, seen))
    for layer, prefix in ((0, 'd0.'), (1, '')):
        wanted = np.full((2, 3), CLASSES)
        mask = dice = 0.0
        for v, instances in enumerate(seen):
            for g in instances:
                query = int(slots[v][layer, g])
                wanted[v, query] = int(targets[v].labels[g])
                target = targets[v].masks[g, 1].numpy().astype(float)
                mask += plain.bce(masks[layer][v, query].numpy(), target).mean() / count
                dice += plain.dice(masks[layer][v, query].numpy(), target) / count
        weight = np.where(wanted == CLASSES, 0.1, 1.0)
        probability = plain.softmax(classes[layer].numpy())
        nll = [[-np.log(probability[v, n, wanted[v, n]]) for n in range(3)] for v in range(2)]
        cls = (weight * nll).sum() / weight.sum()
        assert losses[f'{prefix}loss_cls'].item() == pytest.approx(2 * cls, rel=1e-4)
        assert losses[f'{prefix}loss_mask'].item() == pytest.approx(5 * mask, rel=1e-4)
        assert losses[f'{prefix}loss_dice'].item() == pytest.approx(5 * dice, rel=1e-4)
    assert losses['loss_similarity'].item() == 0


@pytest.mark.parametrize(
    ('option', 'message'),
    [(dict(memory_frames=0), 'memory_frames=0'), (dict(frame_layers=0), 'frame_layers=0')],
)
def test_impossible_options_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        tiny_model(method='genvis', **option)

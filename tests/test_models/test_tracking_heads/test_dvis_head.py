"""DVIS: the recurrence, its faults as published and mended, and the loss against loops."""

from __future__ import annotations

import numpy as np
import plain_reference as plain
import pytest
import torch
from comparing import difference
from test_rocovis_head import PRESENCE, training_losses, without_gradient
from tiny_model import box_tubes, clip_sample, images, tiny_model

from rocovis_mm.models.losses import DVISLoss
from rocovis_mm.models.tracking_heads.dvis_head import in_order
from rocovis_mm.models.vis.base import clip_targets
from rocovis_mm.structures import AlignedQueries, ClipTargets, StreamState

SWAP, CYCLE = [1, 0, 2, 3, 4, 5], [1, 2, 0, 3, 4, 5]


@pytest.fixture(scope='module')
def model():
    return tiny_model(method='dvis')


@pytest.fixture
def training(model):
    """The model in training, without gradients of another test."""
    model.zero_grad()
    yield model.train()
    model.match_detections = False
    model.eval()


@torch.no_grad()
@pytest.mark.parametrize('order', [SWAP, CYCLE], ids=['swap', 'cycle of three'])
def test_the_published_permutation_is_the_inverse_of_the_best(model, order, monkeypatch):
    """Slot j had query order[j]; the released code gives it the query that slot j was of."""
    queries = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(0))
    past = StreamState(torch.zeros(1, 6, 32), (AlignedQueries(queries[:, order]),))
    found = {}
    for published in (True, False):
        monkeypatch.setattr(model.track_head, 'published', published)
        _, found[published], state = model.track_head.refer(queries, past)
        assert torch.equal(state.memory[0].queries, queries[:, found[published][0]])
    assert found[False].tolist() == [order]
    assert found[True].tolist() == [[order.index(j) for j in range(6)]]
    assert torch.equal(found[True], found[False]) == (order == SWAP)


@torch.no_grad()
def test_queries_that_are_not_finite(model, monkeypatch):
    """The released code takes an undefined cost for 0; otherwise they are refused."""
    queries = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(0))
    past = StreamState(torch.zeros(1, 6, 32), (AlignedQueries(queries),))
    queries = queries.index_fill(1, torch.tensor([2]), float('nan'))
    _, order, _ = model.track_head.refer(queries, past)
    assert order.tolist() == [[0, 1, 2, 3, 4, 5]]
    monkeypatch.setattr(model.track_head, 'published', False)
    with pytest.raises(ValueError, match='embeddings are not finite'):
        model.track_head.refer(queries, past)


def attention(module, query, key):
    """Return what torch's own attention gives, whose batch is the second dimension."""
    query, key = query.transpose(0, 1), key.transpose(0, 1)
    return module(query, key, key)[0].transpose(0, 1)


@torch.no_grad()
def test_a_layer_asks_with_the_past_and_keeps_its_own_input(model):
    """The tracker against multi-head attention of torch, written out."""
    tracker = model.track_head.tracker
    torch.manual_seed(0)
    aligned, queries, past = torch.randn(3, 2, 6, 32)
    for before in (past, None):
        expected = aligned
        for layer, output in zip(tracker.decoder.layers, tracker(aligned, queries, before)):
            asking = expected if before is None else before
            seen = attention(layer.cross_attn.attn, asking, queries)
            expected = layer.norms[0](expected + seen)
            talk = attention(layer.self_attn.attn, expected, expected)
            expected = layer.norms[1](expected + talk)
            inner = torch.relu(layer.ffn.layers[0][0](expected))
            expected = layer.norms[2](expected + layer.ffn.layers[1](inner))
            torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_streams_of_a_batch_are_matched_one_by_one(model):
    clips, states = [images(3), images(3, seed=1)], [StreamState()] * 2
    together = StreamState()
    for t in range(3):
        batch = torch.stack([clip[t] for clip in clips])
        prediction, together = model.step(batch, together)
        for b, clip in enumerate(clips):
            alone, states[b] = model.step(clip[t : t + 1], states[b])
            for one, both in ((alone.class_logits, prediction.class_logits),
                              (alone.mask_logits, prediction.mask_logits)):  # fmt: skip
                assert not difference(both[-1][b], one[-1][0], atol=1e-3, rtol=1e-3)
    assert len(together.memory) == 1


def test_a_frozen_detector_neither_learns_nor_moves(training):
    losses = training_losses(training)
    assert not [name for name in losses if name.startswith('frame.')]
    sum(losses.values()).backward()
    learned = {n.split('.')[1] for n, p in training.named_parameters() if p.requires_grad}
    assert learned == {'tracker'}
    assert all(n.startswith('track_head.tracker') == (n not in without_gradient(training))
               for n, _ in training.named_parameters())  # fmt: skip
    assert not any(module.training for module in training.backbone.modules())
    assert training.track_head.tracker.training


def test_a_detector_that_learns_receives_gradients_too():
    model = tiny_model(method='dvis', layers=3, freeze_detector=False).train()
    losses = training_losses(model)
    assert {'frame.loss_cls', 'frame.d0.loss_mask', 'loss_dice', 'd0.loss_cls'} <= set(losses)
    sum(losses.values()).backward()
    assert without_gradient(model) == []


@pytest.mark.parametrize('match_detections', [True, False])
def test_clips_without_any_instance_give_finite_losses_and_gradients(training, match_detections):
    training.match_detections = match_detections
    losses = training_losses(training, [[0, 0]])
    assert losses['loss_mask'].item() == losses['loss_dice'].item() == 0
    sum(losses.values()).backward()
    tracker = training.track_head.tracker
    assert all(torch.isfinite(p.grad).all() for p in tracker.parameters())


def seen_by_the_loss(model, monkeypatch):
    """Return the clips (2, T, ...), their samples, and the arguments of the tracker's loss."""
    seen = []
    monkeypatch.setattr(
        model.track_head.object_criterion, 'forward', lambda *args: seen.append(args) or {}
    )
    clips = torch.stack([images(3), images(3, seed=1)])
    samples = [clip_sample(box_tubes(PRESENCE[: 2 + b]), list(range(2 + b))) for b in range(2)]
    model.loss({'img': clips}, samples)
    return clips, samples, *seen


def test_training_and_streaming_are_one_recurrence(training, monkeypatch):
    clips, _, (classes, masks, _, _) = seen_by_the_loss(training, monkeypatch)
    training.eval()
    with torch.no_grad():
        for b, clip in enumerate(clips):
            state = StreamState()
            for t, frame in enumerate(clip):
                prediction, state = training.step(frame[None], state)
                streamed = prediction.class_logits[-1][0], prediction.mask_logits[-1][0]
                assert not difference(classes[-1][b, t], streamed[0], atol=1e-3, rtol=1e-3)
                assert not difference(masks[-1][b, t], streamed[1], atol=1e-2, rtol=1e-3)


def test_the_detector_matches_for_all_layers_in_the_first_half(training, monkeypatch):
    """Its predictions are compared in the slots in which the tracker has them."""
    head, compared = training.track_head, []
    match = head.match
    monkeypatch.setattr(head, 'match', lambda *args: compared.append(args) or match(*args))
    training.match_detections = True
    clips, samples, (*_, slots, targets) = seen_by_the_loss(training, monkeypatch)
    assert [len(x) for x in slots] == [len(head.tracker.decoder.layers)] * 2
    assert all((x == x[:1]).all() and (x >= 0).all() for x in slots)
    assert [len(x) for x in targets] == [2, 3]
    for clip, sample, (classes, masks, target) in zip(clips, samples, compared):
        with torch.no_grad():
            detection = head.detect(training.extract_features(clip))
            state, orders = StreamState(), []
            for queries in head.frame_queries(detection):
                _, order, state = head.refer(queries[None], state)
                orders.append(order[0])
        order = torch.stack(orders)
        assert torch.equal(target.masks, clip_targets(sample, clip.device).masks)
        for found, values in ((classes, detection.class_logits), (masks, detection.mask_logits)):
            assert not difference(found[0], in_order(values[-1], order), atol=1e-2, rtol=1e-3)


SIDE, CLASSES = 4, 5


def build_loss(published: bool) -> DVISLoss:
    return DVISLoss(
        num_classes=CLASSES,
        loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=False, loss_weight=2.0),
        loss_mask=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0),
        loss_dice=dict(
            type='mmdet.DiceLoss', use_sigmoid=True, naive_dice=True, eps=1.0, loss_weight=5.0
        ),
        num_points=SIDE * SIDE,
        published=published,
    )


@pytest.mark.parametrize('published', [True, False])
def test_losses_equal_the_plain_computation(published, monkeypatch):
    """Also where two instances share one query: both masks are learned, the later class."""
    centres = (torch.arange(SIDE) + 0.5) / SIDE
    y, x = torch.meshgrid(centres, centres, indexing='ij')
    grid = torch.stack([x, y], dim=-1).view(1, -1, 2)
    monkeypatch.setattr(
        'rocovis_mm.models.losses.clip_loss.uncertain_points',
        lambda logits, *_: grid.expand(len(logits), -1, -1),
    )
    torch.manual_seed(0)
    frames, queries = 2, 4
    classes = [torch.randn(2, frames, queries, CLASSES + 1) for _ in range(2)]
    masks = [torch.randn(2, frames, queries, SIDE, SIDE) for _ in range(2)]
    there = [torch.tensor([[0, 1], [1, 0], [1, 1]]), torch.tensor([[1, 1], [0, 0]])]
    targets = [
        ClipTargets(
            labels,
            (torch.rand(len(shown), frames, SIDE, SIDE) > 0.3) & shown.bool()[..., None, None],
            torch.arange(len(shown)),
        )
        for labels, shown in zip((torch.tensor([1, 4, 0]), torch.tensor([2, 3])), there)
    ]
    slots = [torch.tensor([[2, 1, 2], [1, 0, 3]]), torch.tensor([[0, -1], [2, -1]])]
    losses = build_loss(published)(classes, masks, slots, targets)
    count = frames * (3 + 1)  # the instance that no frame shows does not count
    for layer, prefix in ((0, 'd0.'), (1, '')):
        wanted = np.full((2, frames, queries), CLASSES)
        mask = dice = 0.0
        for b, order in ((0, [1, 2, 0]), (1, [0])):  # by first appearance
            for g in order:
                query = int(slots[b][layer, g])
                for t in range(frames):
                    if published or there[b][g, t]:
                        wanted[b, t, query] = int(targets[b].labels[g])
                    target = targets[b].masks[g, t].numpy().astype(float)
                    logits = masks[layer][b, t, query].numpy()
                    mask += plain.bce(logits, target).mean() / count
                    dice += plain.dice(logits, target) / count
        weight = np.where(wanted == CLASSES, 0.1, 1.0)
        probability = plain.softmax(classes[layer].numpy().reshape(-1, CLASSES + 1))
        nll = -np.log(probability[np.arange(wanted.size), wanted.ravel()])
        cls = (weight.ravel() * nll).sum() / weight.sum()
        assert losses[f'{prefix}loss_cls'].item() == pytest.approx(2 * cls, rel=1e-4)
        assert losses[f'{prefix}loss_mask'].item() == pytest.approx(5 * mask, rel=1e-4)
        assert losses[f'{prefix}loss_dice'].item() == pytest.approx(5 * dice, rel=1e-4)


def test_one_switch_reaches_the_assigner_and_the_loss():
    for published in (True, False):
        head = tiny_model(method='dvis', published=published).track_head
        found = (head.published, head.object_assigner.published, head.object_criterion.published)
        assert found == (published,) * 3


def test_a_tracker_on_a_frozen_detector_learns(training):
    """Two clips, for some iterations, matched by the detector and then by itself."""
    tracker = training.track_head.tracker
    start = {name: x.clone() for name, x in tracker.state_dict().items()}
    optimizer = torch.optim.AdamW(tracker.parameters(), lr=2e-3)
    totals = []
    torch.manual_seed(0)
    for iteration in range(8):
        training.match_detections = iteration < 4
        total = sum(training_losses(training, [[1, 1], [0, 1]]).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    tracker.load_state_dict(start)
    assert totals[-1] < 0.7 * totals[0]

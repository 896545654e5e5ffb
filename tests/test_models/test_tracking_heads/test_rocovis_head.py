"""The recurrence in training: gradients, time, and what may enter the spatial identity."""

from __future__ import annotations

import numpy as np
import plain_reference as plain
import pytest
import torch
from tiny_model import box_tubes, clip_sample, images, tiny_config, tiny_model

from rocovis_mm.models.vis.base import clip_targets
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import MemoryFrame, StreamState

#            stays     leaves and returns   enters late
PRESENCE = [[1, 1, 1], [1, 0, 1], [0, 1, 1]]
UVLA, PLUS = 'rocovis_mm.UVLAAssigner', 'rocovis_mm.UVLAPlusPlusAssigner'


def training_losses(model, presence=PRESENCE, seed: int = 0) -> dict[str, torch.Tensor]:
    """Return the losses of two clips of which the second has no instance."""
    tubes, frames = box_tubes(presence), len(presence[0]) if presence else 2
    empty = np.zeros((0, frames, *tubes.shape[2:]), bool)
    clips = torch.stack([images(frames, seed=seed), images(frames, seed=seed + 1)])
    samples = [
        clip_sample(tubes if presence else empty, list(range(len(presence)))),
        clip_sample(empty, []),
    ]
    return model.loss({'img': clips}, samples)


def without_gradient(model) -> list[str]:
    return [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]


@pytest.mark.parametrize('initial', [True, False])
@pytest.mark.parametrize('strides', [(8, 16, 32), (16, 32), ()])
def test_every_parameter_receives_a_gradient(strides, initial):
    model = tiny_model(strides=strides, supervise_initial=initial, layers=3).train()
    losses = training_losses(model, [row[:2] for row in PRESENCE])
    assert all(torch.isfinite(x) for x in losses.values())
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert without_gradient(model) == []


@pytest.mark.parametrize('assigner', [UVLA, PLUS])
@pytest.mark.parametrize('frames', [1, 2])
@pytest.mark.parametrize('initial', [True, False])
def test_clips_without_any_instance_give_finite_losses_and_gradients(assigner, frames, initial):
    """Every parameter must take part: distributed training waits for each of them."""
    model = tiny_model(assigner=assigner, supervise_initial=initial).train()
    losses = training_losses(model, [[0] * frames])
    assert all(torch.isfinite(x) for x in losses.values())
    assert losses['loss_mask'].item() == losses['loss_dice'].item() == 0
    sum(losses.values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_mixed_precision_changes_the_losses_by_little():
    torch.manual_seed(0)
    full = training_losses(tiny_model(num_points=4096).train())
    model = tiny_model(num_points=4096).train()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        torch.manual_seed(0)
        mixed = training_losses(model)
    for key, value in full.items():
        assert mixed[key].item() == pytest.approx(value.item(), rel=0.1), key
    sum(mixed.values()).backward()
    assert without_gradient(model) == []


def test_more_instances_than_queries_do_not_stop_training():
    model = tiny_model(num_queries=2).train()
    with pytest.warns(UserWarning, match='num_queries'):
        losses = training_losses(model)
    assert all(torch.isfinite(x) for x in losses.values())


def spy_on_identity(model, monkeypatch) -> list[tuple]:
    """Record (stride, features, queries, mask_logits, keep, Z') of each frame and stride."""
    decoder, calls = model.track_head.pixel_decoder, []
    original = decoder.identity

    def identity(*arguments):
        calls.append((*arguments, original(*arguments)))
        return calls[-1][-1]

    monkeypatch.setattr(decoder, 'identity', identity)
    return calls


def spy_on_criterion(model, monkeypatch) -> list[tuple]:
    """Record (predictions, supervision, targets) of each call."""
    criterion, calls = model.track_head.criterion, []
    original = criterion.forward
    monkeypatch.setattr(criterion, 'forward', lambda *a: calls.append(a) or original(*a))
    return calls


@pytest.mark.parametrize('assigner', [UVLA, PLUS])
@pytest.mark.parametrize('births', ['each_layer', 'last_layer', None])
def test_only_entries_and_exits_contradict_the_label_that_the_same_logits_had(
    births, assigner, monkeypatch
):
    """Each changes one label where owners are shared; None: where each layer keeps its own."""
    presence = [[1, 1, 1, 1, 1], [1, 0, 0, 1, 1], [0, 1, 1, 0, 1], [0, 0, 1, 1, 1]]
    events = int(np.abs(np.diff(presence, axis=1)).sum())
    contradictions = []
    for seed in range(5):
        model = tiny_model(seed, assigner=assigner, layers=3, num_queries=10)
        rule = model.track_head.assigner
        rule.shared_owners, rule.births = births is not None, births or 'each_layer'
        supervised = spy_on_criterion(model, monkeypatch)
        training_losses(model, presence, seed)
        predictions, supervision, _ = supervised[0]
        changed = 0
        for t in range(1, len(predictions)):
            earlier, later = predictions[t - 1].class_logits[-1], predictions[t].class_logits[0]
            assert torch.equal(earlier, later)
            changed += (supervision[t - 1][0].labels[-1] != supervision[t][0].labels[0]).sum()
        contradictions.append(int(changed))
    if births:
        assert contradictions == [events] * 5
    else:
        assert sum(contradictions) > 5 * events


@pytest.mark.parametrize('assigner', [UVLA, PLUS])
def test_only_owned_queries_reach_the_identity_with_uvla_plus_plus(assigner, monkeypatch):
    model = tiny_model(assigner=assigner, scale_memory=False)
    written = spy_on_identity(model, monkeypatch)
    supervised = spy_on_criterion(model, monkeypatch)
    training_losses(model)
    supervision = supervised[0][1]
    assert len(written) == 2 * (len(supervision) - 1) == 4  # after the last frame nothing follows
    reached_by_unowned = False
    owned = np.zeros((2, model.num_queries), bool)  # disappeared ones stay owned
    for t, targets in enumerate(supervision[:-1]):
        owned |= np.stack([x.instances[-1].numpy() >= 0 for x in targets])
        rows = owned if assigner == PLUS else np.ones_like(owned)
        for stride, _, queries, logits, _, identity in written[2 * t : 2 * t + 2]:
            size = tuple(identity.shape[-2:])
            masks = plain.propagated_masks(logits.detach().numpy(), rows.astype(float), size)
            everything = plain.propagated_masks(logits.detach().numpy(), np.ones(rows.shape), size)
            reached_by_unowned |= bool((everything[~owned] > 0.5).any())
            background = model.track_head.pixel_decoder.propagation[str(stride)].background
            expected = plain.spatial_identity(
                queries.detach().numpy(), masks, background.detach().numpy()
            )
            np.testing.assert_allclose(identity.detach().numpy(), expected, atol=1e-4)
    assert reached_by_unowned  # the unowned do have masks, so the test can fail
    owned |= np.stack([x.instances[-1].numpy() >= 0 for x in supervision[-1]])
    assert owned[0].sum() == 3 and owned[1].sum() == 0


@pytest.mark.parametrize('assigner', [UVLA, PLUS])
def test_a_disappeared_instances_query_learns_an_empty_mask_with_uvla_plus_plus(
    assigner, monkeypatch
):
    model = tiny_model(assigner=assigner)
    supervised = spy_on_criterion(model, monkeypatch)
    losses = training_losses(model)
    predictions, supervision, targets = supervised[0]
    leaver = 1  # row of the instance that is away in frame 1
    assert targets[0].present[leaver].tolist() == [True, False, True]
    query = supervision[0][0].instances[-1].tolist().index(leaver)
    for layer in range(len(predictions[0].mask_logits)):
        assert supervision[2][0].instances[layer, query] == leaver  # the very same returns
        for prediction in predictions:
            prediction.mask_logits[layer].retain_grad()
    sum(value for key, value in losses.items() if 'cls' not in key).backward()
    for layer in range(len(predictions[0].mask_logits)):
        away, there = (predictions[t].mask_logits[layer].grad[0, query] for t in (1, 2))
        assert there.any()
        assert away.any() == (assigner == PLUS)
        assert (away >= 0).all()


class LastFrameOnly(torch.nn.Module):
    """A loss of one frame's last layer, to see how far its gradient goes back."""

    supervise_initial = True

    def __init__(self, frame: int = -1) -> None:
        super().__init__()
        self.frame = frame

    def forward(self, predictions, *_):
        prediction = predictions[self.frame]
        logits = prediction.mask_logits[-1]
        return {'loss': logits.square().mean() + prediction.class_logits[-1].square().mean()}


def reach(frame: int, frames: int, **options) -> list[bool]:
    """Return for each frame whether the gradient of `frame`'s loss reaches its features."""
    model = tiny_model(**options)
    clip = images(frames)
    features = [
        x.detach()[None].requires_grad_() for x in model.extract_features(clip)
    ]  # (1, T, C, h, w)
    model.track_head.criterion = LastFrameOnly(frame)
    sample = clip_sample(box_tubes([[1] * frames]), [0])
    target = clip_targets(sample, torch.device('cpu'))
    model.track_head.loss(features, [target])['loss'].backward()
    return [bool(sum(x.grad[0, t].abs().sum() for x in features) > 0) for t in range(frames)]


@pytest.mark.parametrize('strides', [(), (16, 32)])
@pytest.mark.parametrize(
    ('detach_every', 'frame', 'expected'),
    [
        (None, 3, [1, 1, 1, 1]),
        (None, 2, [1, 1, 1, 0]),
        (1, 3, [0, 0, 0, 1]),
        (1, 1, [0, 1, 0, 0]),
        (2, 3, [0, 0, 1, 1]),
        (2, 1, [1, 1, 0, 0]),
        (3, 2, [1, 1, 1, 0]),
        (3, 3, [0, 0, 0, 1]),
        (4, 3, [1, 1, 1, 1]),
    ],
)
def test_gradient_flows_back_in_time_and_stops_at_detach_every(
    strides, detach_every, frame, expected
):
    reached = reach(frame, 4, strides=strides, detach_every=detach_every, memory_frames=2)
    assert reached == [bool(x) for x in expected]


def test_both_roads_through_time_carry_gradient():
    """The queries (Eq. 1), and the remembered features and identities (Eq. 3)."""
    model = tiny_model()
    _, state = model.step(images(1), StreamState())
    queries = state.queries.detach().requires_grad_()
    memory = state.memory[0].map(lambda x: x.detach().requires_grad_())
    prediction, _ = model.step(images(1, seed=1), StreamState(queries, (memory,)))
    prediction.mask_logits[-1].square().mean().backward()
    for tensor in (queries, *memory.keys.values(), *memory.values.values()):
        assert tensor.grad is not None and tensor.grad.any()


def test_the_identity_carries_gradient_to_the_queries_that_made_it():
    model = tiny_model()
    _, state = model.step(images(1), StreamState())
    state.memory[0].values[16].square().sum().backward()
    assert model.track_head.query_decoder.query_feat.weight.grad.any()
    assert model.track_head.query_decoder.mask_embed[-1].weight.grad is None


@torch.no_grad()
@pytest.mark.parametrize('memory_frames', [1, 3])
def test_memory_is_bounded_and_holds_the_latest_uncalibrated_features(memory_frames):
    model = tiny_model(memory_frames=memory_frames, strides=(8, 32))
    state, projected = StreamState(), []
    for t, frame in enumerate(images(5)):
        prediction, state = model.step(frame[None], state)
        projected.append(
            model.track_head.pixel_decoder.project(model.extract_features(frame[None]))
        )
        expected = projected[-memory_frames:]
        assert len(state.memory) == len(expected) == min(t + 1, memory_frames)
        for remembered, features in zip(state.memory, expected):
            assert set(remembered.keys) == set(remembered.values) == {8, 32}
            decoder = model.track_head.pixel_decoder
            for stride in (8, 32):
                itself = decoder.as_its_own_past(features)  # of its keys identities are no part
                torch.testing.assert_close(remembered.keys[stride], itself.keys[stride])


@torch.no_grad()
def test_without_propagation_strides_nothing_but_the_queries_is_passed_on():
    model = tiny_model(strides=())
    prediction, state = model.step(images(1), StreamState())
    assert state.memory == () and torch.equal(state.queries, prediction.queries)


@torch.no_grad()
def test_what_is_remembered_changes_the_next_frame():
    model = tiny_model()
    frame = images(2)
    _, state = model.step(frame[:1], StreamState())
    informed, _ = model.step(frame[1:], state)
    ignorant, _ = model.step(frame[1:], StreamState(state.queries))
    bare = MemoryFrame(
        state.memory[0].keys, {s: torch.zeros_like(v) for s, v in state.memory[0].values.items()}
    )
    anonymous, _ = model.step(frame[1:], StreamState(state.queries, (bare,)))
    for other in (ignorant, anonymous):
        assert (informed.mask_logits[-1] - other.mask_logits[-1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ('option', 'message'),
    [(dict(memory_frames=0), 'memory_frames'), (dict(detach_every=0), 'detach_every')],
)
def test_impossible_options_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(tiny_config(**option))

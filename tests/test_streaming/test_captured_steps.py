"""Which steps are captured: one for each size, a bounded number, and with equal results."""

from __future__ import annotations

import pytest
import torch
from tiny_model import images, sharpen, tiny_config, tiny_model

from rocovis_mm.registry import MODELS
from rocovis_mm.streaming import captured_steps
from rocovis_mm.streaming.captured_steps import CapturedSteps, tensors_of
from rocovis_mm.streaming.identity_recorder import IdentityRule
from rocovis_mm.structures import StreamState
from tests.stream_fixtures import METHODS
from tests.tiny_streams import frames, tiny_inferencer

LONG = 7


def minvis_with_a_bank():
    torch.manual_seed(1)
    config = tiny_config(**METHODS['MinVIS'])
    config.associator = dict(type='rocovis_mm.BankAssociator')
    config.track_rule = dict(reduce='mean_logits')
    model = MODELS.build(config)
    sharpen(model)
    return model.eval()


@pytest.fixture(scope='module', params=[*METHODS, 'DVIS', 'a bank'])
def model(request):
    if request.param == 'a bank':
        return minvis_with_a_bank()
    return tiny_model(**METHODS.get(request.param, dict(method='dvis')))


@pytest.fixture(scope='module')
def rocovis():
    return tiny_model(**METHODS['RoCoVIS'])


class Recorder:
    """A way to capture that counts, and has inputs and outputs of its own like a CUDA graph."""

    def __init__(self):
        self.captures, self.replays = [], 0

    def __call__(self, step, tensors):
        self.captures.append(tuple(tensors[0].shape))
        inputs = [x.clone() for x in tensors]
        outputs = [x.clone() for x in step(inputs)]

        def run(tensors):
            self.replays += 1
            for own, given in zip(inputs, tensors):
                own.copy_(given)
            for own, found in zip(outputs, step(inputs)):
                own.copy_(found)
            return [x.clone() for x in outputs]

        return run


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(captured_steps.WAYS, 'compile', recorder)
    return recorder


@torch.no_grad()
def run(step, clip):
    """Return the tensors of every frame's prediction, and the state after them."""
    state, found = StreamState(), []
    for frame in clip:
        prediction, state = step(frame[None], state)
        found.append(tensors_of(prediction))
    return found, state


def same(tensors, others):
    return len(tensors) == len(others) and all(map(torch.equal, tensors, others))


def test_a_captured_video_is_the_same(model, recorder):
    steps = CapturedSteps(model, 'compile')
    clip = images(LONG)
    (found, state), (wanted, expected) = run(steps, clip), run(model.step, clip)
    for one, other in zip(found, wanted):
        assert same(one, other)
    assert same(tensors_of(state), tensors_of(expected))
    assert len(state.memory) == len(expected.memory)
    assert len(state.tracks) == len(expected.tracks) == isinstance(model.track_rule, IdentityRule)
    for bank, other in zip(state.tracks, expected.tracks):
        assert same([bank.ids, bank.memory], [other.ids, other.memory])
    if len(state.memory) == LONG:  # GenVIS remembers all: no frame is like the one before
        assert not recorder.captures
    else:
        assert recorder.captures == [(1, 3, 64, 64)]
        assert recorder.replays == LONG - len(state.memory) - 2 - (not state.memory)


def test_each_size_is_captured_once_and_no_more_than_so_many(rocovis, recorder):
    steps = CapturedSteps(rocovis, 'compile', max_sizes=2)
    for _ in range(2):
        for size in ((64, 64), (64, 96)):
            run(steps, images(LONG, size))
    assert recorder.captures == [(1, 3, 64, 64), (1, 3, 64, 96)]
    assert recorder.replays == 2 * (LONG - 4) + 2 * (LONG - 2)  # the second pass fills the memory
    with pytest.warns(UserWarning, match='2 sizes of videos are captured'):
        found, _ = run(steps, images(LONG, (96, 64)))
    wanted, _ = run(rocovis.step, images(LONG, (96, 64)))
    assert all(torch.equal(x[1], y[1]) for x, y in zip(found, wanted))
    run(steps, images(LONG, (96, 96)))  # the warning came once
    assert len(recorder.captures) == len(steps.captured) == 2


def test_first_frames_are_not_captured(rocovis, recorder):
    """Pictures are videos of one frame; a longer video still has its place."""
    steps = CapturedSteps(rocovis, 'compile')
    for _ in range(3):
        run(steps, images(1))
    assert not recorder.captures
    run(steps, images(LONG))
    assert len(recorder.captures) == 1 and recorder.replays


def test_autocast_and_other_weights_have_captures_of_their_own(rocovis, recorder):
    steps = CapturedSteps(rocovis, 'compile')
    clip = images(LONG)
    run(steps, clip)
    with torch.autocast('cpu', torch.bfloat16):
        found, _ = run(steps, clip)
        wanted, _ = run(rocovis.step, clip)
    assert len(recorder.captures) == 2
    assert torch.equal(found[-1][1], wanted[-1][1])


def test_a_step_that_cannot_be_captured_runs_as_ever(rocovis, monkeypatch):
    def fail(step, tensors):
        raise RuntimeError('not on this device')

    monkeypatch.setitem(captured_steps.WAYS, 'compile', fail)
    steps = CapturedSteps(rocovis, 'compile')
    with pytest.warns(UserWarning, match='cannot be captured.*not on this device') as caught:
        found, _ = run(steps, images(LONG))
    assert len([x for x in caught if 'captured' in str(x.message)]) == 1
    assert torch.equal(found[-1][1], run(rocovis.step, images(LONG))[0][-1][1])


def test_the_inferencer_hands_the_way_down(recorder):
    plain = tiny_inferencer(**METHODS['RoCoVIS'])
    fast = type(plain)(plain.model, accelerate='compile')
    clip = frames(LONG)
    assert fast(clip).tracks == plain(clip).tracks
    assert len(recorder.captures) == 1 and recorder.replays


@pytest.mark.parametrize(
    ('way', 'words'), [('graph', 'choose one of compile'), ('graphs', 'not on a CUDA device')]
)
def test_ways_that_are_not_there(rocovis, way, words):
    with pytest.raises(ValueError, match=words):
        CapturedSteps(rocovis, way)


WAITS = {'_local_scalar_dense', 'nonzero', 'masked_select', 'is_nonzero', 'equal', 'item'}
"""Operations for whose result the CPU waits."""


class Waits(torch.utils._python_dispatch.TorchDispatchMode):
    """Collects operations that wait for a device, an index by a mask included."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        masks = (
            [x for x in (args[1] if name.startswith('index') else ()) or () if x is not None]
            if name in ('index', 'index_put', 'index_put_')
            else []
        )
        if name in WAITS or any(x.dtype in (torch.bool, torch.uint8) for x in masks):
            self.found.append(name)
        return function(*args, **(kwargs or {}))


@torch.no_grad()
def test_the_network_never_waits_for_its_device(model, monkeypatch):
    """On a CPU the operations are the same, except for the sampling of deformable attention."""
    from rocovis_mm.models.layers.deformable_attention import DeformableAttention

    monkeypatch.setattr(DeformableAttention, 'exporting', True)
    state = StreamState()
    for frame in images(3):  # the first one makes the geometry
        with Waits() as waits:
            outcome = model.network(frame[None], state)
        _, state = model.conclude(outcome, state)
    assert waits.found == []


def test_waiting_is_noticed():
    with Waits() as waits:
        assert torch.ones(2)[torch.tensor([True, False])].item() == 1
    assert waits.found == ['index', '_local_scalar_dense']

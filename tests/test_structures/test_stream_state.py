"""A stream's past: split and cat undo each other, detach cuts, nothing is changed in place."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
import torch

from rocovis_mm.structures import AlignedQueries, MemoryFrame, QueryMemory, StreamState


def state(batch: int, frames: int = 2, grad: bool = False) -> StreamState:
    def maps():
        return {s: torch.randn(batch, 4, 32 // s, 32 // s, requires_grad=grad) for s in (8, 16)}

    queries = torch.randn(batch, 3, 4, requires_grad=grad)
    return StreamState(queries, tuple(MemoryFrame(maps(), maps()) for _ in range(frames)))


def tensors(past: StreamState) -> list[torch.Tensor]:
    found = [past.queries]
    for frame in past.memory:
        found += [*frame.keys.values(), *frame.values.values()]
    return found


def same(one: StreamState, other: StreamState) -> bool:
    mine, others = tensors(one), tensors(other)
    return len(mine) == len(others) and all(torch.equal(a, b) for a, b in zip(mine, others))


@pytest.mark.parametrize('frames', [0, 1, 3])
def test_cat_undoes_split(frames):
    past = state(3, frames)
    parts = past.split()
    assert len(parts) == 3 and all(len(x) == 1 for part in parts for x in tensors(part))
    assert same(StreamState.cat(parts), past)


def test_split_undoes_cat_and_keeps_the_order():
    parts = [state(1) for _ in range(4)]
    for part, again in zip(parts, StreamState.cat(parts).split()):
        assert same(part, again)


def test_cat_of_fresh_streams_is_fresh():
    assert StreamState.cat([StreamState(), StreamState()]) == StreamState()


def test_a_fresh_state_cannot_be_split():
    with pytest.raises(ValueError, match='first frame'):
        StreamState().split()


def test_detach_cuts_every_tensor_and_keeps_every_value():
    past = state(2, grad=True)
    cut = past.detach()
    assert same(past, cut)
    assert not any(x.requires_grad for x in tensors(cut))
    assert all(x.requires_grad for x in tensors(past))
    assert StreamState().detach() == StreamState()


def test_map_leaves_the_frame_as_it_was():
    frame = state(1).memory[0]
    before = {s: x.clone() for s, x in frame.keys.items()}
    doubled = frame.map(lambda x: x * 2)
    for stride, x in before.items():
        assert torch.equal(frame.keys[stride], x)
        assert torch.equal(doubled.keys[stride], 2 * x)


def test_a_state_is_frozen():
    with pytest.raises(FrozenInstanceError):
        state(1).queries = None


@pytest.mark.parametrize('kind', ['rocovis', 'genvis', 'minvis', 'dvis'])
def test_slots_restart_as_before_the_first_frame(kind):
    queries = torch.randn(2, 5, 4)
    pixels = {16: torch.randn(2, 4, 3, 3)}
    memory = {
        'rocovis': (MemoryFrame(pixels, pixels),),
        'genvis': (QueryMemory(torch.randn(2, 5, 4), torch.randn(2, 5, 4)),) * 2,
        'minvis': (),
        'dvis': (AlignedQueries(queries),),
    }[kind]
    state, learned = StreamState(queries, memory), torch.randn(5, 4)
    slots, others = torch.tensor([1, 4]), [0, 2, 3]
    restarted = state.restart(slots, None if kind in ('minvis', 'dvis') else learned)
    if kind in ('minvis', 'dvis'):
        assert restarted is state
        return
    for stream in range(2):
        assert torch.equal(restarted.queries[stream, slots], learned[slots])
        assert torch.equal(restarted.queries[stream, others], queries[stream, others])
    for before, after in zip(memory, restarted.memory):
        if kind == 'rocovis':
            assert after is before
            continue
        for name in ('keys', 'values'):
            assert (getattr(after, name)[:, slots] == 0).all()
            assert torch.equal(getattr(after, name)[:, others], getattr(before, name)[:, others])
    assert StreamState().restart(slots, learned) == StreamState()

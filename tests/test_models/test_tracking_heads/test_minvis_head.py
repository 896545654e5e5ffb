"""MinVIS: matching by cosine similarity against brute force, frames trained as images."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from comparing import difference
from test_rocovis_head import PRESENCE, training_losses, without_gradient
from tiny_model import box_tubes, clip_sample, images, tiny_model

from rocovis_mm.models.tracking_heads.minvis_head import align, align_all
from rocovis_mm.structures import StreamState


@pytest.mark.parametrize('seed', range(10))
def test_align_maximises_the_sum_of_cosines(seed):
    rng = np.random.default_rng(seed)
    previous, current = rng.normal(size=(2, 5, 3))
    cosine = np.array([[a @ b / np.sqrt(a @ a * (b @ b)) for b in current] for a in previous])
    best = max(
        itertools.permutations(range(5)),
        key=lambda order: sum(cosine[i, j] for i, j in enumerate(order)),
    )
    assert align(torch.from_numpy(previous), torch.from_numpy(current)).tolist() == list(best)


def test_autocast_does_not_round_similarities():
    """The cosines of two pairs differ by less than a bfloat16 tells apart."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(1, 1, 64))
    previous = torch.from_numpy(base + 0.02 * rng.normal(size=(1, 20, 64))).float()
    order = torch.from_numpy(rng.permutation(20))
    with torch.autocast('cpu', torch.bfloat16):
        found = align_all(previous, previous[:, order])
    assert found[0].tolist() == order.argsort().tolist()


def test_embeddings_that_are_not_finite():
    """They are refused, or have the similarity that is given with all others."""
    previous, current = torch.eye(4)[None].clone(), torch.eye(4)[None].clone()
    current[0, 2, 3] = 2.0  # cosine of 0.45 with the third one before
    previous[0, 3] = current[0, 3] = float('inf')
    with pytest.raises(ValueError, match='not finite.*in the checkpoint.*try bfloat16'):
        align_all(previous, current)
    assert align_all(previous, current, undefined=1.0).tolist() == [[0, 1, 3, 2]]
    assert align_all(previous, current, undefined=-1.0).tolist() == [[0, 1, 2, 3]]


@torch.no_grad()
def test_a_permuted_frame_falls_back_into_its_slots():
    """A stream that shows one image twice continues every query with itself."""
    model = tiny_model(method='minvis')
    first, state = model.step(images(1), StreamState())
    shuffled = StreamState(state.queries[:, torch.tensor([3, 0, 5, 1, 4, 2])])
    again, _ = model.step(images(1), shuffled)
    order = [3, 0, 5, 1, 4, 2]
    for found, expected in (
        (again.queries, first.queries),
        (again.mask_logits[-1], first.mask_logits[-1]),
        (again.class_logits[-1], first.class_logits[-1]),
    ):
        assert not difference(found, expected[:, order], atol=1e-5, rtol=1.3e-6)


def test_every_parameter_receives_a_gradient():
    model = tiny_model(method='minvis', layers=3).train()
    losses = training_losses(model)
    sum(losses.values()).backward()
    assert without_gradient(model) == []


def test_a_clip_is_learned_as_its_frames():
    """The order of frames, and which clip they come from, does not matter."""
    model = tiny_model(method='minvis', num_points=4096).train()
    tubes, clip = box_tubes(PRESENCE), images(len(PRESENCE[0]))
    labels = list(range(len(PRESENCE)))
    torch.manual_seed(0)
    whole = model.loss({'img': clip[None]}, [clip_sample(tubes, labels)])
    torch.manual_seed(0)
    parts = model.loss(
        {'img': clip[:, None]},
        [clip_sample(tubes[:, t : t + 1], labels) for t in range(len(clip))],
    )
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        torch.testing.assert_close(value, parts[name], msg=name)


@torch.no_grad()
def test_the_past_is_the_last_frame_alone():
    model = tiny_model(method='minvis')
    _, state = model.step(images(1), StreamState())
    assert state.memory == () and state.queries.shape == (1, 6, 32)

"""The association equals CTVIS' published code and a plain second implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from plain_tracker import PlainTracker, iou, random_video

from rocovis_mm.models.task_modules.association import (
    BankAssociator,
    bi_softmax,
    greedy_match,
    mask_ious,
    mask_nms,
    temporally_weighted,
    update_bank,
)
from rocovis_mm.structures import FramePrediction, StreamState, TrackBank


def prediction(logits, masks, embeds) -> FramePrediction:
    """Return one stream's frame."""
    logits, masks, embeds = (torch.as_tensor(x)[None] for x in (logits, masks, embeds))
    return FramePrediction((logits,), (masks,), embeds)


@pytest.fixture(scope='module')
def fixture(shared_dir):
    with np.load(shared_dir / 'fixtures/peers/ctvis.npz') as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


def test_published_identities(fixture):
    associator, state = BankAssociator(), StreamState()
    outputs = zip(*(fixture[f'frame_{name}'] for name in ('logits', 'masks', 'embeds')))
    for t, (logits, masks, embeds) in enumerate(outputs):
        rows = associator.candidates(associator.scores(logits), masks)
        assert rows.tolist() == [q for q in fixture['kept'][t].tolist() if q >= 0]
        if state.tracks:
            bank = state.tracks[0]
            expected = fixture['bank_scores'][t][rows]
            assert expected.isfinite()[0].nonzero().flatten().tolist() == bank.ids.tolist()
            found = bi_softmax(embeds[rows], bank.memory)
            torch.testing.assert_close(found, expected[:, bank.ids], atol=1e-5, rtol=0)
        linked, state = associator(prediction(logits, masks, embeds), state)
        assert torch.equal(linked.identities[0], fixture['ids'][t].clamp(min=-1))


@pytest.mark.parametrize(('dead', 'cache', 'begin'), [(20, 10, 0.01), (3, 2, 0.3)])
def test_plain_implementation(dead, cache, begin):
    """Long videos, in which tracks die and their numbers never come back."""
    video = random_video(40, queries=9, classes=3, channels=8, seed=dead)
    plain = PlainTracker(dead=dead, cache=cache, begin=begin, select=0.05)
    associator = BankAssociator(
        dead_frames=dead, cached_frames=cache, init_score=begin, select_score=0.05
    )
    state, used = StreamState(), set()
    for frame in video:
        linked, state = associator(prediction(*frame), state)
        assert linked.identities[0].tolist() == plain.step(*frame)
        used.update(linked.identities[0].tolist())
        bank = state.tracks[0]
        assert bank.ids.tolist() == list(plain.tracks)
        for row, track in enumerate(plain.tracks.values()):
            np.testing.assert_allclose(bank.memory[row], track['mean'], atol=1e-4)
            assert bank.seen[row] == track['frames']
        assert bank.cached.shape[1] == cache
    assert plain.made > len(bank) > 0, 'some tracks must have died'
    assert used - {-1} == set(range(plain.made))


def test_streams_do_not_mix():
    """Two streams at different frames in one batch, and the same ones alone."""
    videos = [random_video(6, 9, 3, 8, seed) for seed in (5, 6)]
    associator = BankAssociator()
    alone = []
    for video in videos:
        state, ids = StreamState(), []
        for frame in video:
            linked, state = associator(prediction(*frame), state)
            ids.append(linked.identities[0])
        alone.append(ids)
    _, late = associator(prediction(*videos[1][0]), StreamState())
    states = [associator(prediction(*videos[0][0]), StreamState())[1], late]
    states[1] = associator(prediction(*videos[1][1]), states[1])[1]
    for t in (1, 2, 3):
        pairs = [prediction(*videos[0][t]), prediction(*videos[1][t + 1])]
        both = FramePrediction(
            (torch.cat([p.class_logits[0] for p in pairs]),),
            (torch.cat([p.mask_logits[0] for p in pairs]),),
            torch.cat([p.queries for p in pairs]),
        )
        linked, state = associator(both, StreamState.cat(states))
        states = state.split()
        assert torch.equal(linked.identities[0], alone[0][t])
        assert torch.equal(linked.identities[1], alone[1][t + 1])


def test_state_without_a_track():
    associator, state = BankAssociator(), StreamState()
    for frame in random_video(2, 9, 3, 8, seed=1):
        linked, state = associator(prediction(*frame), state)
    bank = state.tracks[0]
    gone = bank.ids[[0, 2]]
    left = state.restart(gone, None).tracks[0]
    assert left.ids.tolist() == [i for i in bank.ids.tolist() if i not in gone.tolist()]
    assert left.next_id == bank.next_id


def test_nms_keeps_what_no_kept_mask_covers():
    """A mask that only a dropped one overlaps is kept; an empty mask drops the other one."""
    masks = torch.zeros(5, 1, 12, dtype=torch.bool)
    masks[0, 0, 0:6] = masks[1, 0, 1:7] = masks[2, 0, 3:8] = True
    ious = mask_ious(masks)
    expected = [[iou(a, b) for b in masks.numpy()] for a in masks.numpy()]
    np.testing.assert_allclose(ious, expected, atol=1e-6)
    assert mask_nms(masks, 0.6).tolist() == [0, 2, 3]


@pytest.mark.parametrize('half', [torch.bfloat16, torch.float16])
def test_ious_of_large_masks_are_exact_under_autocast(half):
    """120000 pixels are above the largest float16; a bfloat16 has eight bits."""
    masks = torch.zeros(3, 300, 800, dtype=torch.bool)
    masks[0, :, :400] = masks[1, :, 100:501] = masks[2, 100:, 300:] = True
    with torch.autocast('cpu', half):
        ious = mask_ious(masks)
    expected = [[iou(a, b) for b in masks.numpy()] for a in masks.numpy()]
    np.testing.assert_allclose(ious, expected, rtol=1e-6)


@pytest.mark.parametrize('options', [{}, {'memory': 'temporally_weighted', 'metric': 'cosine'}])
def test_autocast_changes_nothing(options):
    associator, states = BankAssociator(**options), [StreamState(), StreamState()]
    for frame in random_video(12, 9, 3, 8, seed=2):
        found = []
        for place, enabled in enumerate((False, True)):
            with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
                linked, states[place] = associator(prediction(*frame), states[place])
            found.append(linked.identities)
        assert torch.equal(*found)
        banks = [state.tracks[0] for state in states]
        assert torch.equal(banks[0].memory, banks[1].memory)
    assert banks[0].next_id > 1


def test_greedy_match_weighs_by_frames():
    similarity = torch.tensor([[0.4, 0.35, 0.2], [0.5, 0.1, 0.29], [0.0, 0.0, 0.0]])
    assert greedy_match(similarity, torch.tensor([1, 3, 9]), 0.3).tolist() == [1, 0, -1]
    assert greedy_match(similarity, torch.tensor([1, 3, 9]), 0.3, False).tolist() == [0, -1, -1]
    assert greedy_match(similarity[:, :0], torch.zeros(0), 0.3).tolist() == [-1, -1, -1]


def test_temporally_weighted_memory():
    """Score plus the place among the last embeddings is the weight, as in IDOL."""
    bank = TrackBank.empty(4, 3, torch.zeros(1))
    rng = np.random.default_rng(0)
    embeds, scores = rng.normal(size=(5, 4)).astype(np.float32), rng.random(5).astype(np.float32)
    for t in range(5):
        row = torch.tensor([0 if t else -1])
        new = torch.from_numpy(embeds[t : t + 1]), torch.from_numpy(scores[t : t + 1])
        _, bank = update_bank(bank, row, *new, 'temporally_weighted')
        first = max(0, t - 2)
        weights = scores[first : t + 1] + np.arange(1, t - first + 2) / (t - first + 1)
        mean = (weights[:, None] * embeds[first : t + 1]).sum(0) / weights.sum()
        np.testing.assert_allclose(bank.memory[0], mean, atol=1e-6)
    nothing = torch.zeros(0, 3)
    assert temporally_weighted(torch.zeros(0, 3, 4), nothing, nothing.bool()).shape == (0, 4)


@pytest.mark.parametrize(
    ('option', 'value'),
    [('metric', 'euclid'), ('memory', 'mean'), ('cached_frames', 0), ('dead_frames', -1)],
)
def test_impossible_options(option, value):
    with pytest.raises(ValueError, match=option):
        BankAssociator(**{option: value})

"""IDOL gives what the published code gives, with weights made by a rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2_weights import normalized
from peer_fixtures import assert_near, published_peer
from test_published_baselines import video_tracks
from tiny_model import stream_sample

from rocovis_mm.structures import StreamState


@pytest.fixture(scope='module')
def published(shared_dir):
    """The model with the converted weights, its normalised frames and the published outputs."""
    model, fixture = published_peer('idol', shared_dir)
    return model, normalized(fixture['frames']), fixture


@torch.no_grad()
def test_network(published):
    model, frames, fixture = published
    size = tuple(frames.shape[-2:])
    features = model.extract_features(frames)
    prediction, _ = model.track_head.decode(features, [size] * len(frames), size)
    assert_near(prediction.class_logits[-1], fixture['frame_logits'])
    assert_near(prediction.boxes[-1], fixture['frame_boxes'])
    assert_near(prediction.queries, fixture['frame_embeds'])
    assert_near(prediction.mask_logits[-1], fixture['frame_masks'])


@torch.no_grad()
def test_identities(published):
    model, frames, fixture = published
    state = StreamState()
    for t, frame in enumerate(frames):
        prediction, state = model.step(frame[None], state)
        rows = model.associator.candidates(prediction.class_logits[-1][0], prediction.boxes[-1][0])
        expected = fixture['candidates'][t]
        assert rows.tolist() == expected[expected >= 0].tolist()
        shown = prediction.mask_logits[-1][0, rows]
        assert_near(shown, fixture['frame_masks'][t, rows])
        assert prediction.identities[0].tolist() == fixture['ids'][t].clamp(min=-1).tolist()
        bank = state.tracks[0]
        assert bank.cached.shape[1] == 3
    assert len(bank) == bank.next_id  # nothing was absent for long


@torch.no_grad()
def test_tracks(published):
    model, frames, fixture = published
    tracks, masks = video_tracks(model, frames)
    order = fixture['video_scores'].argsort(descending=True, stable=True)
    np.testing.assert_allclose(tracks.scores, fixture['video_scores'][order], atol=1e-5)
    assert tracks.labels.tolist() == fixture['video_labels'][order].tolist()
    assert (masks == fixture['video_masks'][order].numpy()).mean() >= 0.9999


def test_streamed_equals_whole(published):
    """One clip handed over at once, or frame by frame."""
    model, frames, _ = published
    whole, _ = video_tracks(model, frames)
    size = tuple(frames.shape[-2:])
    for t, frame in enumerate(frames):
        sample = stream_sample(1, [t], len(frames), size)
        model.predict({'img': [frame[None]]}, [sample])
    streamed = sample.video_tracks
    assert np.array_equal(whole.scores, streamed.scores)
    assert whole.segmentations == streamed.segmentations

"""DVIS gives what the published code gives, with weights made by a rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2_weights import facts, normalized
from peer_fixtures import assert_near, published_peer
from test_published_baselines import video_tracks

from rocovis_mm.structures import StreamState


@pytest.fixture(scope='module')
def published(shared_dir):
    """The model with the converted weights, its normalised frames and the published outputs."""
    rule = dict(max_tracks=facts('dvis_online', shared_dir)['tracker']['max_num'])
    model, fixture = published_peer('dvis_online', shared_dir, track_rule=rule)
    return model, normalized(fixture['frames']), fixture


@torch.no_grad()
def test_the_network(published, monkeypatch):
    """With the permutations of the released code, and the mended one of the second frame."""
    model, frames, fixture = published
    head = model.track_head
    detection = head.detect(model.extract_features(frames))
    assert_near(detection.class_logits[-1], fixture['frame_logits'])
    assert_near(detection.mask_logits[-1], fixture['frame_masks'])
    assert_near(head.frame_queries(detection), fixture['frame_embeds'])
    state = StreamState()
    for t, queries in enumerate(head.frame_queries(detection)):
        tracks, order, state = head.refer(queries[None], state)
        assert order[0].tolist() == fixture['indices'][t].tolist()
        assert_near(head.tracker.decoder.post_norm(tracks[-1])[0], fixture['track_embeds'][t])
    monkeypatch.setattr(head, 'published', False)
    first, second, *_ = head.frame_queries(detection)[:, None]
    _, mended, _ = head.refer(second, head.refer(first, StreamState())[2])
    assert mended[0].tolist() == fixture['indices'][1].argsort().tolist()
    assert not torch.equal(mended[0], fixture['indices'][1])  # there is a cycle of three


@torch.no_grad()
def test_a_stream(published):
    model, frames, fixture = published
    state = StreamState()
    for t, frame in enumerate(frames):
        prediction, state = model.step(frame[None], state)
        assert_near(prediction.class_logits[-1][0], fixture['track_logits'][t])
        assert_near(prediction.mask_logits[-1][0], fixture['track_masks'][:, t])
    sizes = [tuple(x.shape) for x in (state.queries, *(m.queries for m in state.memory))]
    assert sizes == [(1, 16, 64)] * 2


def test_the_tracks(published):
    model, frames, fixture = published
    tracks, masks = video_tracks(model, frames)
    ours = list(zip(tracks.identities.tolist(), tracks.labels.tolist()))
    theirs = list(zip(fixture['video_ids'].tolist(), fixture['video_labels'].tolist()))
    places = [theirs.index(pair) for pair in ours]  # theirs have no order
    assert sorted(places) == list(range(len(theirs)))
    np.testing.assert_allclose(tracks.scores, fixture['video_scores'][places], atol=1e-5)
    assert (masks == fixture['video_masks'][places].numpy()).mean() >= 0.9999

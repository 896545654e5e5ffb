"""DVIS gives what the published code gives, with weights made by a rule."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from detectron2_weights import normalized, weight
from mmengine.config import Config
from test_published_baselines import BASES, set_heads, video_tracks

from rocovis_mm.checkpoints import fitting_config, read_sizes, to_detectron2, to_mm
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import StreamState

FIXTURE = 'fixtures/peers/dvis_online'


def read(shared_dir, name: str = FIXTURE):
    """Return the json of a fixture and its arrays as tensors."""
    path = shared_dir / name
    with np.load(path.with_suffix('.npz')) as arrays:
        return json.loads(path.with_suffix('.json').read_text()), {
            key: torch.from_numpy(arrays[key]) for key in arrays
        }


@pytest.fixture(scope='module')
def published(shared_dir):
    """The model with the converted weights, its normalised frames and the published outputs."""
    facts, fixture = read(shared_dir)
    exceptions = facts['rule_exceptions']
    weights = {
        key: weight(key, tuple(shape)) * exceptions.get(key, {}).get('multiply_by', 1)
        for key, shape in facts['keys'].items()
    }
    checkpoint = to_mm({'model': weights})
    assert checkpoint['meta']['detectron2']['model'] == 'dvis'
    back = to_detectron2(checkpoint)['model']
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[key], x) for key, x in weights.items())
    config = Config.fromfile(BASES / 'dvis_r50.py')
    config.merge_from_dict(
        dict(model=fitting_config(read_sizes(checkpoint['state_dict'], 'dvis'), 'dvis'))
    )
    config.model.backbone.init_cfg = None
    config.model.track_rule.max_tracks = facts['tracker']['max_num']
    set_heads(config.model.track_head, 4)
    model = MODELS.build(config.model).eval()
    model.load_state_dict(checkpoint['state_dict'], strict=True)
    return model, normalized(fixture['frames']), fixture


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Compare within 1e-4 of the largest magnitude, which is about 100 for mask logits."""
    atol = 1e-4 * max(1, theirs.abs().max().item())
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


@torch.no_grad()
def test_the_network(published, monkeypatch):
    """With the permutations of the released code, and the mended one of the second frame."""
    model, frames, fixture = published
    head = model.track_head
    detection = head.detect(model.extract_features(frames))
    close(detection.class_logits[-1], fixture['frame_logits'])
    close(detection.mask_logits[-1], fixture['frame_masks'])
    close(head.frame_queries(detection), fixture['frame_embeds'])
    state = StreamState()
    for t, queries in enumerate(head.frame_queries(detection)):
        tracks, order, state = head.refer(queries[None], state)
        assert order[0].tolist() == fixture['indices'][t].tolist()
        close(head.tracker.decoder.post_norm(tracks[-1])[0], fixture['track_embeds'][t])
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
        close(prediction.class_logits[-1][0], fixture['track_logits'][t])
        close(prediction.mask_logits[-1][0], fixture['track_masks'][:, t])
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

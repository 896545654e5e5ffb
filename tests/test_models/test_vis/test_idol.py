"""IDOL gives what the published code gives, with weights made by a rule."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from detectron2_weights import normalized, weight
from mmengine.config import Config
from test_published_baselines import BASES, video_tracks
from tiny_model import stream_sample

from rocovis_mm.checkpoints import fitting_config, read_sizes, to_detectron2, to_mm
from rocovis_mm.checkpoints.peers.deformable_detr import repeated
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import StreamState

FIXTURE = 'fixtures/peers/idol'


def made_weight(key: str, shape: list[int], exceptions: dict) -> torch.Tensor:
    """Return the tensor that the rule makes, a repeated one as its original."""
    key = repeated(key) or key
    rule = exceptions.get(key, {})
    return weight(key, tuple(shape)) * rule.get('multiply_by', 1) + rule.get('add', 0)


@pytest.fixture(scope='module')
def published(shared_dir):
    """The model with the converted weights, its normalised frames and the published outputs."""
    path = shared_dir / FIXTURE
    facts = json.loads(path.with_suffix('.json').read_text())
    with np.load(path.with_suffix('.npz')) as arrays:
        fixture = {key: torch.from_numpy(arrays[key]) for key in arrays}
    exceptions = facts['rule_exceptions']
    weights = {key: made_weight(key, shape, exceptions) for key, shape in facts['keys'].items()}
    checkpoint = to_mm({'model': weights})
    assert checkpoint['meta']['detectron2']['model'] == 'idol'
    back = to_detectron2(checkpoint)['model']
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[key], x) for key, x in weights.items())
    config = Config.fromfile(BASES / 'idol_r50.py')
    sizes = read_sizes(checkpoint['state_dict'], 'idol')
    config.merge_from_dict(dict(model=fitting_config(sizes, 'idol')))
    config.model.backbone.init_cfg = None
    for part in ('encoder', 'decoder'):
        config.model.track_head[part].num_heads = facts['overrides']['heads']
    model = MODELS.build(config.model).eval()
    model.load_state_dict(checkpoint['state_dict'], strict=True)
    return model, normalized(fixture['frames']), fixture


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Compare within 1e-4 of the largest magnitude."""
    atol = 1e-4 * max(1, theirs.abs().max().item())
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


@torch.no_grad()
def test_network(published):
    model, frames, fixture = published
    size = tuple(frames.shape[-2:])
    features = model.extract_features(frames)
    prediction, _ = model.track_head.decode(features, [size] * len(frames), size)
    close(prediction.class_logits[-1], fixture['frame_logits'])
    close(prediction.boxes[-1], fixture['frame_boxes'])
    close(prediction.queries, fixture['frame_embeds'])
    close(prediction.mask_logits[-1], fixture['frame_masks'])


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
        close(shown, fixture['frame_masks'][t, rows])
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

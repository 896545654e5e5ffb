"""CTVIS gives what the published code gives, with weights made by a rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2_weights import facts, normalized
from peer_fixtures import assert_near, published_peer
from test_published_baselines import video_tracks
from tiny_model import stream_sample

from rocovis_mm.checkpoints.contents import model_kind
from rocovis_mm.checkpoints.peers import ctvis
from rocovis_mm.streaming.engine import StreamEngine


@pytest.fixture(scope='module')
def published(shared_dir):
    """The model with the converted weights, its normalised frames and the published outputs."""
    rule = dict(max_tracks=facts('ctvis', shared_dir)['num_topk'])
    model, fixture = published_peer('ctvis', shared_dir, track_rule=rule)
    return model, normalized(fixture['frames']), fixture


@torch.no_grad()
def test_network(published):
    model, frames, fixture = published
    prediction = model.track_head.decode(model.extract_features(frames))
    assert_near(prediction.class_logits[-1], fixture['frame_logits'])
    assert_near(prediction.mask_logits[-1], fixture['frame_masks'])
    assert_near(prediction.queries, fixture['frame_embeds'])


@pytest.fixture(scope='module')
def streamed(published):
    """The recorder of the video, and the identities (N,) of each frame, frame by frame."""
    model, frames, _ = published
    engine, identities = StreamEngine(model), []
    video = engine.begin()
    sample = stream_sample(0, list(range(len(frames))), len(frames), tuple(frames.shape[-2:]))
    step = model.step

    def watched(images, state):
        prediction, state = step(images, state)
        identities.append(prediction.identities[0])
        return prediction, state

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, 'step', watched)
        for frame, sizes in zip(frames, sample.video_data_samples):
            engine.advance([(frame, sizes, video)])
    return video.recorder, torch.stack(identities)


def test_identities(published, streamed):
    assert torch.equal(streamed[1], published[2]['ids'].clamp(min=-1))


def test_mean_logits(published, streamed):
    """Of the tracks that are left after the removal of noise, in the order they began."""
    tracks = streamed[0].tracks.values()
    means = np.array([track.classes / track.frames for track in tracks])
    assert_near(torch.from_numpy(means).float(), published[2]['track_logits'])


def test_tracks(published, streamed):
    """The tracks of a clip are the published ones, and those of its frames one by one."""
    model, frames, fixture = published
    tracks, masks = video_tracks(model, frames)
    order = fixture['video_scores'].argsort(descending=True)
    np.testing.assert_allclose(tracks.scores, fixture['video_scores'][order], atol=1e-5)
    assert tracks.labels.tolist() == fixture['video_labels'][order].tolist()
    assert (masks == fixture['video_masks'][order].numpy()).mean() >= 0.9999
    one_by_one = streamed[0].finish(0)
    assert tracks.identities.tolist() == one_by_one.identities.tolist()
    assert np.array_equal(tracks.scores, one_by_one.scores)
    assert tracks.segmentations == one_by_one.segmentations


@pytest.mark.parametrize(('layers', 'width'), [(0, 0), (1, 8), (2, 24), (4, 8)])
def test_the_sizes_of_the_embedding_are_read_off_its_weights(layers, width):
    widths = [8] + [width] * (layers - 1) + [8]
    weights = {
        f'{ctvis.OURS}layers.{i}.weight': torch.zeros(widths[i + 1], widths[i])
        for i in range(layers)
    }
    sizes = ctvis.embedding_sizes(weights)
    assert sizes == dict(reid_layers=layers, reid_channels=width if layers > 1 else None)


@pytest.mark.parametrize('wanted', ['minvis', 'genvis', 'mask2former'])
def test_a_ctvis_is_no_other_model(wanted):
    name = f'{ctvis.THEIRS}layers.0.weight'
    assert model_kind({name: torch.zeros(1)}) == 'ctvis'
    with pytest.raises(ValueError, match=f'this is a CTVIS, not --model {wanted}'):
        model_kind({name: torch.zeros(1)}, wanted)

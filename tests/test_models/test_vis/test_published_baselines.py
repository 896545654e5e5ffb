"""MinVIS and GenVIS give what the published code gives, with weights made by a rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detectron2_weights import build, normalized, outputs, weights
from pycocotools import mask as coco_mask
from tiny_model import stream_sample

from rocovis_mm.checkpoints import to_mm
from rocovis_mm.structures import StreamState


def converted(name: str, shared_dir):
    """Return our model at the checkpoint's sizes with its converted weights, and the fixture."""
    checkpoint = to_mm({'model': weights(name, shared_dir)}, name)
    model = build(checkpoint)
    fixture = outputs(name, shared_dir)
    return model, normalized(fixture['frames']), fixture


@torch.no_grad()
def stream(model, frames):
    """Return the class logits (T, N, K + 1) and mask logits (N, T, h, w) of a stream."""
    state, classes, masks = StreamState(), [], []
    for frame in frames:
        prediction, state = model.step(frame[None], state)
        classes.append(prediction.class_logits[-1][0])
        masks.append(prediction.mask_logits[-1][0])
    return torch.stack(classes), torch.stack(masks, dim=1)


def video_tracks(model, frames):
    """Return the tracks of one video and their masks (M, T, H, W)."""
    size = tuple(frames.shape[-2:])
    sample = stream_sample(0, list(range(len(frames))), len(frames), size)
    model.predict({'img': [frames]}, [sample])
    tracks = sample.video_tracks
    nothing = np.zeros(size, np.uint8)
    masks = [
        [nothing if rle is None else coco_mask.decode(rle) for rle in segmentations]
        for segmentations in tracks.segmentations
    ]
    return tracks, np.array(masks)


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@torch.no_grad()
def test_minvis(shared_dir):
    model, frames, fixture = converted('minvis', shared_dir)
    detection = model.track_head.detect(model.extract_features(frames))
    close(detection.class_logits[-1], fixture['frame_logits'])
    close(detection.mask_logits[-1].transpose(0, 1), fixture['frame_masks'])
    classes, masks = stream(model, frames)
    close(classes.mean(0), fixture['video_logits'])
    close(masks, fixture['video_masks'])
    tracks, _ = video_tracks(model, frames)
    best = fixture['video_logits'].softmax(-1)[:, :-1].flatten().topk(10)
    np.testing.assert_allclose(tracks.scores, best.values, atol=1e-5)
    pairs = tracks.identities * model.num_classes + tracks.labels
    assert pairs.tolist() == best.indices.tolist()


@torch.no_grad()
def test_genvis(shared_dir):
    model, frames, fixture = converted('genvis', shared_dir)
    classes, _ = stream(model, frames)
    close(classes, fixture['pred_logits'])
    head, state = model.track_head, StreamState()
    for frame, expected in zip(frames, fixture['pred_mask_embed']):
        detection = head.detect(model.extract_features(frame[None]))
        decoded = head.object_decoder(
            head.frame_queries(detection)[-1], state.queries, state.memory
        )
        close(head.predict(decoded)[1][-1][0], expected)
        state = head.advance(state, decoded.queries)
    tracks, masks = video_tracks(model, frames)
    order = fixture['video_scores'].argsort(descending=True)
    np.testing.assert_allclose(tracks.scores, fixture['video_scores'][order], atol=1e-5)
    assert tracks.labels.tolist() == fixture['video_labels'][order].tolist()
    assert (masks == fixture['video_masks'][order].numpy()).mean() >= 0.9999


@pytest.mark.parametrize('name', ['minvis', 'genvis'])
def test_streamed_equals_whole(shared_dir, name):
    """One clip handed over at once, or frame by frame."""
    model, frames, _ = converted(name, shared_dir)
    whole, masks = video_tracks(model, frames)
    size = tuple(frames.shape[-2:])
    for t, frame in enumerate(frames):
        sample = stream_sample(1, [t], len(frames), size)
        model.predict({'img': [frame[None]]}, [sample])
    streamed = sample.video_tracks
    assert np.array_equal(whole.scores, streamed.scores)
    assert whole.segmentations == streamed.segmentations

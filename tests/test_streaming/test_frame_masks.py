"""From logits to masks: pixel probability times foreground, 0.5 decides, here and in Eq. 2."""

from __future__ import annotations

import numpy as np
import plain_reference as plain
import pytest
import torch
from pycocotools import mask as coco_mask
from tiny_model import WIDTH, images, stream_sample, tiny_model

from rocovis_mm.streaming.engine import StreamEngine
from rocovis_mm.streaming.frame_masks import mask_thresholds, resize_to_frame, resize_to_input
from rocovis_mm.structures import FramePrediction, StreamState, VideoTracks

SIZES = [
    pytest.param((64, 64), (64, 64), (64, 64), id='as it is'),
    pytest.param((64, 96), (60, 90), (60, 90), id='padded'),
    pytest.param((64, 96), (60, 90), (45, 70), id='padded and shrunk'),
    pytest.param((64, 64), (50, 64), (111, 140), id='padded and enlarged'),
]


def to_frame(logits: np.ndarray, padded, img_shape, ori_shape) -> np.ndarray:
    """Resize as Mask2Former does: to the padded input, cut the padding off, to the frame."""
    return plain.resize(to_input(logits, padded, img_shape), ori_shape)


def to_input(logits: np.ndarray, padded, img_shape) -> np.ndarray:
    return plain.resize(logits, padded)[..., : img_shape[0], : img_shape[1]]


@pytest.mark.parametrize(('padded', 'img_shape', 'ori_shape'), SIZES)
def test_logits_are_brought_to_the_frame(padded, img_shape, ori_shape):
    frame = stream_sample(0, [0], 1, padded, img_shape, ori_shape).video_data_samples[0]
    logits = torch.randn(3, padded[0] // 4, padded[1] // 4)
    expected = to_frame(logits.numpy(), padded, img_shape, ori_shape)
    resized = resize_to_frame(resize_to_input(logits, frame), frame)
    np.testing.assert_allclose(resized.numpy(), expected, atol=1e-4)
    assert resize_to_frame(resize_to_input(logits[:0], frame), frame).shape == (0, *ori_shape)


def known_prediction(seed: int = 0, queries: int = 6, classes: int = 5) -> FramePrediction:
    """Return a prediction whose foregrounds lie on both sides of one half."""
    torch.manual_seed(seed)
    class_logits = torch.randn(1, queries, classes + 1)
    class_logits[..., -1] += torch.linspace(-2, 4, queries)
    mask_logits = torch.nn.functional.interpolate(torch.randn(1, queries, 4, 4) * 4, (16, 16))
    return FramePrediction((class_logits,), (mask_logits,), torch.randn(1, queries, WIDTH), {})


def by_hand(prediction, scaling: bool, sizes) -> tuple[np.ndarray, np.ndarray]:
    """Return pixel probabilities (N, H, W) at the frame and foregrounds (N,)."""
    foreground = 1 - plain.softmax(prediction.class_logits[-1][0].numpy())[:, -1]
    factor = foreground if scaling else np.ones_like(foreground)
    logits = to_frame(prediction.mask_logits[-1][0].numpy(), *sizes)
    return plain.sigmoid(logits) * factor[:, None, None], factor


def inside_masks(prediction, factor: np.ndarray, padded, img_shape) -> list[list[float]]:
    """Return each query's sum of probabilities inside its mask, and its area, at the input."""
    logits = to_input(prediction.mask_logits[-1][0].numpy(), padded, img_shape)
    probabilities = plain.sigmoid(logits) * factor[:, None, None]
    return [[p[p > 0.5].sum(), (p > 0.5).sum()] for p in probabilities]


@pytest.mark.parametrize('scaling', [True, False])
@pytest.mark.parametrize(('padded', 'img_shape', 'ori_shape'), SIZES)
def test_output_masks_are_scaled_by_the_foreground_before_binarisation(
    padded, img_shape, ori_shape, scaling
):
    model = tiny_model(scale_output=scaling, track_rule=dict(mask_scoring=True))
    prediction = known_prediction()
    frame = stream_sample(0, [0], 1, padded, img_shape, ori_shape).video_data_samples[0]
    result = StreamEngine(model).segment(prediction, 0, frame)
    probabilities, factor = by_hand(prediction, scaling, (padded, img_shape, ori_shape))
    masks = probabilities > 0.5
    slots = np.flatnonzero(masks.any((1, 2)))
    assert 0 < len(slots) and (not scaling or len(slots) < model.num_queries)
    assert result.slots.tolist() == slots.tolist()
    undecided = np.abs(probabilities[slots] - 0.5) < 1e-5
    assert np.array_equal(result.masks | undecided, masks[slots] | undecided)
    expected = inside_masks(prediction, factor, padded, img_shape)
    np.testing.assert_allclose(result.inside, expected, rtol=1e-3)
    assert np.array_equal(result.class_logits, prediction.class_logits[-1][0])


def test_thresholds_of_logits_are_those_of_probabilities():
    foreground = torch.tensor([0.0, 0.3, 0.5, 0.501, 0.7, 0.999, 1.0]).double()
    logits = torch.linspace(-12, 12, 4001).double()
    expected = logits.sigmoid() * foreground[:, None] > 0.5
    assert expected.any(-1).tolist() == [False, False, False, True, True, True, True]
    assert torch.equal(logits > mask_thresholds(foreground)[:, None], expected)


@pytest.mark.parametrize('level', [-0.01, 0.01])
def test_a_mask_is_left_out_exactly_where_nothing_of_it_shows(level):
    """One pixel above the threshold, among many below, decides."""
    model = tiny_model(scale_output=False)
    frame = stream_sample(0, [0], 1).video_data_samples[0]
    mask_logits = torch.full((1, 6, 16, 16), -3.0)
    mask_logits[0, 2, 5, 7] = level
    mask_logits[0, 4, :2, :2] = 1.0
    prediction = FramePrediction((torch.randn(1, 6, 6),), (mask_logits,), torch.randn(1, 6, WIDTH))
    result = StreamEngine(model).segment(prediction, 0, frame)
    expected = to_frame(mask_logits[0].numpy(), *[(64, 64)] * 3) > 0
    slots = np.flatnonzero(expected.any((1, 2)))
    assert 4 in slots and result.slots.tolist() == slots.tolist()
    assert np.array_equal(result.masks, expected[slots])


@torch.no_grad()
@pytest.mark.parametrize('scaling', [True, False])
def test_propagated_masks_are_scaled_by_a_switch_of_their_own(scaling, monkeypatch):
    model = tiny_model(seed=2, scale_memory=scaling, scale_output=not scaling, strides=(8, 16, 32))
    decoder, written = model.track_head.pixel_decoder, {}
    original = decoder.identity
    monkeypatch.setattr(
        decoder,
        'identity',
        lambda s, *a: written.setdefault(s, []).append(original(s, *a)) or written[s][-1],
    )
    state, shares = StreamState(), []
    for frame in images(3, seed=2):
        prediction, state = model.step(frame[None], state)
        foreground = 1 - plain.softmax(prediction.class_logits[-1].numpy())[..., -1]
        keep = foreground if scaling else np.ones_like(foreground)
        assert set(written) == {8, 16, 32}
        for stride, (*_, identity) in written.items():
            size = tuple(identity.shape[-2:])
            masks = plain.propagated_masks(prediction.mask_logits[-1].numpy(), keep, size)
            shares.append((masks > 0.5).any(1).mean())
            background = model.track_head.pixel_decoder.propagation[str(stride)].background
            expected = plain.spatial_identity(prediction.queries.numpy(), masks, background.numpy())
            np.testing.assert_allclose(identity.numpy(), expected, atol=1e-4)
    assert any(0 < share < 1 for share in shares)


def test_foreground_is_one_minus_no_object():
    logits = torch.randn(2, 6, 6)
    expected = 1 - plain.softmax(logits.numpy())[..., -1]
    np.testing.assert_allclose(tiny_model().foreground(logits).numpy(), expected, atol=1e-6)
    assert (tiny_model(scale_output=False).foreground(logits) == 1).all()


@torch.no_grad()
@pytest.mark.parametrize('reduce', ['max', 'mean'])
@pytest.mark.parametrize('mask_scoring', [False, True])
def test_predicted_tracks_equal_a_video_computed_by_hand(reduce, mask_scoring):
    """From images to tracks; only the network itself is the model's."""
    rule = dict(reduce=reduce, mask_scoring=mask_scoring, max_tracks=8)
    model, clip = tiny_model(track_rule=rule), images(4, seed=5)
    sizes = ((64, 64), (60, 50), (30, 100))
    sample = stream_sample(2, [0, 1, 2, 3], 4, *sizes)
    model.predict({'img': [clip]}, [sample])
    state, classes, masks, inside = StreamState(), [], [], np.zeros((6, 2))
    for image, frame in zip(clip, sample.video_data_samples):
        prediction, state = model.step(image[None], state)
        probabilities, factor = by_hand(prediction, True, sizes)
        masks.append(probabilities > 0.5)
        inside += inside_masks(prediction, factor, *sizes[:2])
        classes.append(plain.softmax(prediction.class_logits[-1][0].numpy())[:, :-1])
        drawn = frame.pred_track_instances
        assert drawn.masks.dtype == torch.bool and drawn.masks.shape[1:] == (30, 100)
        slots = np.flatnonzero(masks[-1].any((1, 2)))
        assert drawn.instances_id.tolist() == slots.tolist()
        assert (drawn.masks.numpy() != masks[-1][slots]).mean() < 1e-3
        by_class = getattr(np, reduce)(classes, axis=0)
        so_far = by_class * (inside[:, :1] / np.maximum(inside[:, 1:], 1) if mask_scoring else 1)
        np.testing.assert_allclose(drawn.scores, so_far[slots].max(-1), atol=1e-3)
        assert drawn.labels.tolist() == so_far[slots].argmax(-1).tolist()
    tracks = sample.video_tracks
    kept = np.argsort(-by_class, axis=None)[:8]  # by class; then scored
    best = np.sort(so_far.flat[kept])[::-1]
    np.testing.assert_allclose(tracks.scores, best, atol=1e-3)
    for score, slot, label, segmentations in zip(
        tracks.scores, tracks.identities, tracks.labels, tracks.segmentations
    ):
        assert score == pytest.approx(so_far[slot, label], abs=1e-3)
        for rle, frame_masks in zip(segmentations, masks):
            mask = np.zeros_like(frame_masks[0]) if rle is None else coco_mask.decode(rle)
            assert (mask.astype(bool) != frame_masks[slot]).mean() < 1e-3


def test_metrics_receive_tracks_with_the_last_frame_alone():
    model, clip = tiny_model(), images(2)
    for t in (0, 1):
        (sample,) = model.predict({'img': [clip[t : t + 1]]}, [stream_sample(3, [t], 2)])
        handed = sample.to_dict()  # as MMEngine's evaluator does
        assert ('video_tracks' in handed) == (t == 1)
        (frame,) = handed['video_data_samples']
        assert {'instances_id', 'labels', 'scores', 'masks'} <= set(
            frame.pred_track_instances.keys()
        )
    assert isinstance(handed['video_tracks'], VideoTracks)


def test_nothing_in_view_gives_empty_instances_and_tracks_without_masks():
    model = tiny_model()
    with torch.no_grad():
        model.track_head.query_decoder.cls_embed.bias[-1] = 50  # "no object", always
    sample = stream_sample(1, [0, 1], 2)
    model.predict({'img': [images(2)]}, [sample])
    for frame in sample.video_data_samples:
        drawn = frame.pred_track_instances
        assert len(drawn) == 0 and drawn.masks.shape == (0, 64, 64)
    assert all(s == [None, None] for s in sample.video_tracks.segmentations)

"""Eq. 1 against MMDetection's Mask2Former head with its learned queries replaced."""

from __future__ import annotations

import pytest
import torch
from comparing import difference
from mmengine.runner import load_state_dict
from tiny_mask2former import mask2former_logits, tiny_mask2former
from tiny_model import images, tiny_model

from rocovis_mm.models.layers.query_decoder import hidden_pixels
from rocovis_mm.structures import StreamState

DIRECT = dict(strides=(), layers=4)  # one layer more than levels: the levels come round again


@pytest.fixture(scope='module')
def pair():
    """Our model without propagation and MMDetection's with the same weights."""
    theirs, ours = tiny_mask2former(layers=4), tiny_model(seed=1, **DIRECT)
    load_state_dict(ours, theirs.state_dict())
    return ours, theirs


def their_logits(theirs, frame: torch.Tensor, queries: torch.Tensor | None = None):
    """Return all layers' logits of one frame, decoded from `queries` (N, C) if given."""
    head = theirs.panoptic_head
    learned = head.query_feat.weight.data
    try:
        if queries is not None:
            head.query_feat.weight.data = queries
        return mask2former_logits(theirs, frame[None])
    finally:
        head.query_feat.weight.data = learned


def decode(model, images: torch.Tensor, state: StreamState):
    """Return every layer's prediction of one frame, as a loss sees it, and the new past."""
    prediction = model.track_head.decode(model.extract_features(images), state)
    keep = model.foreground(prediction.class_logits[-1])
    return prediction, model.track_head.advance(state, prediction, keep)


def unlike(ours, theirs, b: int = 0) -> str:
    """Return how our predictions of clip b differ from theirs, layer by layer."""
    if len(ours) != DIRECT['layers'] + 1:
        return f'predictions of {len(ours)} layers'
    return difference([x[b] for x in ours], [x[0] for x in theirs], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_frame_zero_decodes_the_learned_queries(pair):
    ours, theirs = pair
    frame = images(1)
    prediction, _ = decode(ours, frame, StreamState())
    classes, masks = their_logits(theirs, frame[0])
    assert not unlike(prediction.class_logits, classes)
    assert not unlike(prediction.mask_logits, masks)


@torch.no_grad()
def test_frame_t_decodes_the_last_layers_output_of_frame_t_minus_1(pair):
    """Positions stay with their slots: only the features of the queries are replaced."""
    ours, theirs = pair
    clips = torch.stack([images(3, seed=1), images(3, seed=2)])  # (B, T, 3, H, W)
    state = StreamState()
    for t in range(3):
        previous = state.queries
        prediction, state = decode(ours, clips[:, t], state)
        assert torch.equal(state.queries, prediction.queries)
        for b in range(2):
            start = None if previous is None else previous[b]
            classes, masks = their_logits(theirs, clips[b, t], start)
            assert not unlike(prediction.class_logits, classes, b)
            assert not unlike(prediction.mask_logits, masks, b)


@torch.no_grad()
def test_the_passed_on_queries_are_those_before_the_post_norm(pair):
    ours, _ = pair
    prediction, _ = ours.step(images(1), StreamState())
    decoder = ours.track_head.query_decoder
    normed = decoder.transformer_decoder.post_norm(prediction.queries)
    torch.testing.assert_close(decoder.cls_embed(normed), prediction.class_logits[-1])
    assert (normed - prediction.queries).abs().max() > 1e-2


def test_a_query_whose_mask_is_empty_looks_everywhere():
    logits = torch.randn(1, 6, 8, 8)
    logits[0, 0] = -logits[0, 0].abs() - 0.1  # empty
    hidden = hidden_pixels(logits)
    assert not hidden[:, 0].any()
    assert torch.equal(hidden[:, 1:], logits.flatten(2)[:, 1:] < 0)


@torch.no_grad()
@pytest.mark.parametrize('method', ['rocovis', 'minvis', 'genvis'])
def test_the_last_prediction_alone_equals_that_of_all(method):
    """Attention masks at their own resolution, no mask features, one fused attention."""
    model = tiny_model(method=method, layers=4, seed=3)
    features = model.extract_features(images(2, seed=4))
    head = model.track_head
    with torch.enable_grad():
        every = head.detect(features)
    last, none = head.detect(features, predict='last'), head.detect(features, predict='none')
    assert len(every.class_logits) == 5 and len(last.class_logits) == len(last.mask_logits) == 1
    assert none.class_logits == none.mask_logits == ()
    for name in ('class_logits', 'mask_logits'):
        expected, result = getattr(every, name)[-1], getattr(last, name)[-1]
        assert expected.std() > 0.1
        torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)
    for expected, *results in zip(every.queries, last.queries, none.queries):
        for result in results:
            torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)

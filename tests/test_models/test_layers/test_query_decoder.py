"""Eq. 1 against MMDetection's Mask2Former head with its learned queries replaced."""

from __future__ import annotations

import pytest
import torch
from mmengine.runner import load_state_dict
from tiny_mask2former import tiny_mask2former
from tiny_model import images, tiny_model

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
        return head(theirs.extract_feat(frame[None]), [])
    finally:
        head.query_feat.weight.data = learned


def same(ours, theirs, b: int = 0) -> None:
    assert len(ours) == len(theirs) == DIRECT['layers'] + 1
    for mine, other in zip(ours, theirs):
        torch.testing.assert_close(mine[b], other[0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_frame_zero_decodes_the_learned_queries(pair):
    ours, theirs = pair
    frame = images(1)
    prediction, _ = ours.step(frame, StreamState())
    classes, masks = their_logits(theirs, frame[0])
    same(prediction.class_logits, classes)
    same(prediction.mask_logits, masks)


@torch.no_grad()
def test_frame_t_decodes_the_last_layers_output_of_frame_t_minus_1(pair):
    """Positions stay with their slots: only the features of the queries are replaced."""
    ours, theirs = pair
    clips = torch.stack([images(3, seed=1), images(3, seed=2)])  # (B, T, 3, H, W)
    state = StreamState()
    for t in range(3):
        previous = state.queries
        prediction, state = ours.step(clips[:, t], state)
        assert torch.equal(state.queries, prediction.queries)
        for b in range(2):
            start = None if previous is None else previous[b]
            classes, masks = their_logits(theirs, clips[b, t], start)
            same(prediction.class_logits, classes, b)
            same(prediction.mask_logits, masks, b)


@torch.no_grad()
def test_the_passed_on_queries_are_those_before_the_post_norm(pair):
    ours, _ = pair
    prediction, _ = ours.step(images(1), StreamState())
    decoder = ours.track_head.query_decoder
    normed = decoder.transformer_decoder.post_norm(prediction.queries)
    torch.testing.assert_close(decoder.cls_embed(normed), prediction.class_logits[-1])
    assert (normed - prediction.queries).abs().max() > 1e-2


def test_a_query_whose_mask_is_empty_looks_everywhere(pair):
    decoder = pair[0].track_head.query_decoder
    queries, features = torch.randn(1, 6, 32), torch.randn(1, 32, 8, 8)
    _, masks, hidden = decoder.predict(queries, features, (8, 8))
    expected = masks.flatten(2) < 0
    assert torch.equal(hidden.unflatten(0, (1, -1))[:, 2], expected)
    sample = decoder.mask_embed(decoder.transformer_decoder.post_norm(queries))[0, 0]
    pointing_away = -sample[None, :, None, None].expand(1, -1, 4, 4)  # logit of query 0 < 0
    _, masks, hidden = decoder.predict(queries, pointing_away, (4, 4))
    assert (masks[0, 0] < 0).all()
    assert not hidden[:, 0].any()

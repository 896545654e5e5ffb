"""The layers written for MMDetection 3.0.0rc5 are those of MMDetection 3.3: names and results."""

from __future__ import annotations

import pytest
import torch
from comparing import difference

from rocovis_mm.compat.dependencies import hosted_by_mmtrack
from rocovis_mm.compat.mmtrack import layers as ours

if hosted_by_mmtrack():
    pytest.skip('there is no MMDetection >= 3.1 to compare with', allow_module_level=True)

from mmdet.models import layers as theirs
from mmdet.models.layers.transformer import Mask2FormerTransformerEncoder

B, N, S, C, HEADS = 2, 5, 30, 16, 4
ATTENTION = dict(embed_dims=C, num_heads=HEADS, dropout=0.0)
FEED_FORWARD = dict(embed_dims=C, feedforward_channels=24, num_fcs=2)


def same_weights(ours_, theirs_):
    """Give both modules one set of random weights; the names must be the same."""
    state = {k: torch.randn_like(v) * 0.3 for k, v in theirs_.state_dict().items()}
    theirs_.load_state_dict(state)
    ours_.load_state_dict(state, strict=True)
    return ours_.eval(), theirs_.eval()


def test_the_encoder_of_queries():
    torch.manual_seed(0)
    settings = dict(self_attn_cfg=ATTENTION, ffn_cfg=FEED_FORWARD)
    mine, other = same_weights(
        ours.DetrTransformerEncoder(2, dict(settings)),
        theirs.DetrTransformerEncoder(2, {k: dict(v) for k, v in settings.items()}),
    )
    hidden = torch.zeros(B, N, dtype=torch.bool)
    hidden[1, 3:] = True
    given = torch.randn(B, N, C), torch.randn(B, N, C), hidden
    torch.testing.assert_close(mine(*given), other(*given))
    assert mine.embed_dims == other.embed_dims == C


def test_the_deformable_encoder():
    torch.manual_seed(0)
    attention = dict(embed_dims=C, num_heads=HEADS, num_levels=2, num_points=3, dropout=0.0)
    settings = dict(self_attn_cfg=attention, ffn_cfg=FEED_FORWARD)
    mine, other = same_weights(
        ours.Mask2FormerTransformerEncoder(2, dict(settings)),
        Mask2FormerTransformerEncoder(2, {k: dict(v) for k, v in settings.items()}),
    )
    shapes = torch.tensor([[4, 6], [2, 3]])
    given = dict(
        query=torch.randn(B, S, C),
        query_pos=torch.randn(B, S, C),
        key_padding_mask=None,
        spatial_shapes=shapes,
        level_start_index=torch.tensor([0, 24]),
        valid_ratios=torch.ones(B, 2, 2),
        reference_points=torch.rand(B, S, 2, 2),
    )
    assert not difference(mine(**given), other(**given), atol=1e-5, rtol=1.3e-6)


def test_the_layers_of_the_decoder():
    torch.manual_seed(0)
    settings = dict(self_attn_cfg=ATTENTION, cross_attn_cfg=ATTENTION, ffn_cfg=FEED_FORWARD)
    mine, other = same_weights(
        ours.Mask2FormerTransformerDecoder(2, dict(settings)),
        theirs.Mask2FormerTransformerDecoder(2, {k: dict(v) for k, v in settings.items()}),
    )
    queries = torch.randn(B, N, C)
    given = dict(
        key=torch.randn(B, S, C),
        value=torch.randn(B, S, C),
        query_pos=torch.randn(B, N, C),
        key_pos=torch.randn(B, S, C),
        cross_attn_mask=torch.rand(B * HEADS, N, S) < 0.4,
        self_attn_mask=torch.rand(B * HEADS, N, N) < 0.3,
    )
    for my_layer, other_layer in zip(mine.layers, other.layers):
        result = my_layer(queries, **given)
        torch.testing.assert_close(result, other_layer(queries, **given))
        queries = result
    torch.testing.assert_close(mine.post_norm(queries), other.post_norm(queries))
    assert mine.embed_dims == other.embed_dims

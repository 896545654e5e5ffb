"""Mask2Former's masked-attention decoder, fed with any queries (Eq. 1).

B clips, N queries, C channels, K classes, L decoder layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from mmcv.cnn import Conv2d
from mmdet.models.layers import SinePositionalEncoding
from mmengine.model import BaseModule, ModuleList, caffe2_xavier_init
from torch import Tensor, nn

from rocovis_mm.compat.host_models import Mask2FormerTransformerDecoder
from rocovis_mm.models.layers.gradient import needs_gradient
from rocovis_mm.models.layers.propagation_attention import tokens

Predict = Literal['every', 'last', 'none']
"""Which of the L + 1 predictions are asked for: a loss needs all of them."""
KEPT_POSITIONS = 12
"""Sizes of maps whose position encodings are kept: four videos' worth of three levels."""


class QueryDecoder(BaseModule):
    """``Q_t = D(Q_{t-1}, P(F_t))``: decodes queries against one frame's pixels.

    Parameters carry the names of MMDetection's ``Mask2FormerHead``, so that its
    weights go in one to one.

    Args:
        num_classes: K.
        num_queries: N.
        feat_channels: channels of queries and pixel decoder maps.
        out_channels: channels of the mask features.
        num_levels: maps the layers attend to in turn.
        transformer_decoder: config of ``Mask2FormerTransformerDecoder``.
        positional_encoding: config of ``SinePositionalEncoding``.
    """

    def __init__(
        self,
        num_classes: int,
        num_queries: int,
        feat_channels: int,
        out_channels: int,
        num_levels: int,
        transformer_decoder: dict,
        positional_encoding: dict,
    ) -> None:
        super().__init__()
        self.num_levels = num_levels
        self.transformer_decoder = Mask2FormerTransformerDecoder(**transformer_decoder)
        embed_dims = self.transformer_decoder.embed_dims
        self.decoder_input_projs = ModuleList(
            nn.Identity() if embed_dims == feat_channels else Conv2d(feat_channels, embed_dims, 1)
            for _ in range(num_levels)
        )
        self.decoder_positional_encoding = SinePositionalEncoding(**positional_encoding)
        self.query_embed = nn.Embedding(num_queries, embed_dims)
        self.query_feat = nn.Embedding(num_queries, embed_dims)
        self.level_embed = nn.Embedding(num_levels, embed_dims)
        self.cls_embed = nn.Linear(embed_dims, num_classes + 1)
        self.mask_embed = mask_embedding(embed_dims, out_channels)
        self._positions: dict[tuple, Tensor] = {}

    def init_weights(self) -> None:
        """Initialise as Mask2Former does."""
        for projection in self.decoder_input_projs:
            if isinstance(projection, Conv2d):
                caffe2_xavier_init(projection, bias=0)
        for parameter in self.transformer_decoder.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)

    def forward(
        self,
        queries: Tensor | None,
        pixels: Tensor,
        mask_feature: nn.Conv2d,
        maps: Sequence[Tensor],
        predict: Predict = 'every',
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Decode one frame.

        Where only the last layer's prediction is asked for, the others are made at the
        resolution at which the next layer looks, for nothing else needs them.

        Args:
            queries: (B, N, C), Q_{t-1}; None decodes the learned queries (frame 0).
            pixels: (B, C, h, w), what mask features are made of.
            mask_feature: 1x1 convolution that makes them, (B, C_out, h, w).
            maps: ``num_levels`` maps (B, C, h_i, w_i), from low to high resolution.
            predict: which predictions are asked for.

        Returns:
            class logits and mask logits of L + 1 predictions (or the last, or none), and
            the outputs (B, N, C) of the L layers before the post-norm, the last one being
            Q_t.
        """
        batch = len(pixels)
        if queries is None:
            queries = self.query_feat.weight.expand(batch, -1, -1)
        query_pos = self.query_embed.weight.expand(batch, -1, -1)
        keys, key_pos = self.embed_maps(maps)
        sizes = [tuple(x.shape[-2:]) for x in maps]
        if predict == 'every':
            mask_features = mask_feature(pixels)
        else:
            small = [resize(pixels, size) for size in sizes]

        outputs, decoded = [], []
        for i, layer in enumerate(self.transformer_decoder.layers):
            level = i % self.num_levels
            if predict == 'every':
                outputs.append(self.predict(queries, mask_features))
                logits = resize(outputs[-1][1].detach(), sizes[level])
            else:
                logits = self.predict_masks(queries, small[level], mask_feature)
            queries = decode_layer(
                layer, queries, keys[level], query_pos, key_pos[level], hidden_pixels(logits)
            )
            decoded.append(queries)
        if predict == 'every':
            outputs.append(self.predict(queries, mask_features))
        elif predict == 'last':
            class_logits = self.cls_embed(self.transformer_decoder.post_norm(queries))
            outputs.append((class_logits, self.predict_masks(queries, pixels, mask_feature)))
        class_logits, mask_logits = zip(*outputs) if outputs else ((), ())
        return class_logits, mask_logits, tuple(decoded)

    def embed_maps(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return keys (B, h*w, C) and their positions (1, h*w, C) for each level."""
        keys = [
            tokens(projection(x)) + level
            for x, projection, level in zip(maps, self.decoder_input_projs, self.level_embed.weight)
        ]
        return keys, [self.positions(x) for x in maps]

    def positions(self, pixels: Tensor) -> Tensor:
        """Return the sine encoding (1, h*w, C) of a map's size; those of a few are kept."""
        key = (tuple(pixels.shape[-2:]), pixels.device)
        if key not in self._positions:
            if len(self._positions) >= KEPT_POSITIONS:
                self._positions.clear()
            with torch.inference_mode(False):
                visible = torch.zeros((1, *key[0]), dtype=torch.bool, device=pixels.device)
                encoding = self.decoder_positional_encoding(visible)
                self._positions[key] = tokens(encoding).contiguous()
        return self._positions[key]

    def predict(self, queries: Tensor, mask_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return a layer's class and mask logits from its queries before the post-norm."""
        normed = self.transformer_decoder.post_norm(queries)
        mask_logits = torch.einsum('bnc,bchw->bnhw', self.mask_embed(normed), mask_features)
        return self.cls_embed(normed), mask_logits

    def predict_masks(self, queries: Tensor, pixels: Tensor, mask_feature: nn.Conv2d) -> Tensor:
        """Return a layer's mask logits alone, at the resolution of `pixels`."""
        normed = self.transformer_decoder.post_norm(queries)
        return folded_mask_logits(self.mask_embed(normed), pixels, mask_feature)


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, n, h, w) maps bilinearly."""
    return F.interpolate(maps, size, mode='bilinear', align_corners=False)


def hidden_pixels(mask_logits: Tensor) -> Tensor:
    """Return (B, N, h * w), True where a query must not look.

    That is outside its mask, unless the mask is empty.

    Args:
        mask_logits: (B, N, h, w) at the resolution that the query looks at.
    """
    hidden = mask_logits.detach().flatten(2).sigmoid() < 0.5
    return hidden & ~hidden.all(-1, keepdim=True)


def folded_mask_logits(embeddings: Tensor, pixels: Tensor, mask_feature: nn.Conv2d) -> Tensor:
    """Return mask logits (B, N, h, w) without making the mask features.

    A 1x1 convolution is linear: it is applied to the few embeddings instead of every
    pixel. For the same reason `pixels` may be resized where mask logits would be.

    Args:
        embeddings: (B, N, C_out), the weights of each query's mask.
        pixels: (B, C, h, w), what mask features are made of.
        mask_feature: the 1x1 convolution that would make them.
    """
    weights = embeddings @ mask_feature.weight.flatten(1)
    logits = torch.einsum('bnc,bchw->bnhw', weights, pixels)
    return logits + (embeddings @ mask_feature.bias)[..., None, None]


def decode_layer(
    layer: nn.Module,
    queries: Tensor,
    keys: Tensor,
    query_pos: Tensor,
    key_pos: Tensor,
    hidden: Tensor,
) -> Tensor:
    """Run one layer of ``Mask2FormerTransformerDecoder``.

    Without a gradient the attention is computed by one fused function, which needs
    neither the weights it would return nor a mask for every head. With a gradient
    the layer runs as MMDetection wrote it.

    Args:
        layer: cross-attention, self-attention, feed-forward network, a norm after each.
        queries: (B, N, C).
        keys: (B, S, C), also the values.
        query_pos: (B, N, C).
        key_pos: (1, S, C).
        hidden: (B, N, S), True where a query must not look.
    """
    if needs_gradient(layer, queries, keys):
        return layer(
            query=queries,
            key=keys,
            value=keys,
            query_pos=query_pos,
            key_pos=key_pos,
            cross_attn_mask=hidden.repeat_interleave(layer.cross_attn.num_heads, dim=0),
        )
    seen = attend(layer.cross_attn.attn, queries + query_pos, keys + key_pos, keys, ~hidden)
    queries = layer.norms[0](queries + seen)
    placed = queries + query_pos
    queries = layer.norms[1](queries + attend(layer.self_attn.attn, placed, placed, queries))
    return layer.norms[2](layer.ffn(queries))


def attend(
    attention: nn.MultiheadAttention,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    visible: Tensor | None = None,
) -> Tensor:
    """Return (B, N, C), as `attention` at test time does, by the fused function.

    Args:
        attention: of C channels, the parameters.
        query: (B, N, C).
        key: (B, S, C).
        value: (B, S, C).
        visible: (B, N, S), True where a query looks; None looks everywhere.
    """
    projected = [
        F.linear(x, weight, bias).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
        for x, weight, bias in zip(
            (query, key, value), attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
        )
    ]
    mask = None if visible is None else visible[:, None]
    attended = F.scaled_dot_product_attention(*projected, attn_mask=mask)
    return attention.out_proj(attended.transpose(1, 2).flatten(2))


def mask_embedding(embed_dims: int, out_channels: int) -> nn.Sequential:
    """Return Mask2Former's three layers from a query to the weights of its mask."""
    return nn.Sequential(
        nn.Linear(embed_dims, embed_dims),
        nn.ReLU(inplace=True),
        nn.Linear(embed_dims, embed_dims),
        nn.ReLU(inplace=True),
        nn.Linear(embed_dims, out_channels),
    )

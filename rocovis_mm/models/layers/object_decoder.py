"""GenVIS' object decoder: frame queries to the identities of a video (Heo et al. 2023).

VITA's object encoder and decoder, the propagated queries, and each instance's read
of its own past. B clips, F frame queries, N object queries, C channels, K classes,
D decoder layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmcv.cnn import Conv2d
from mmengine.model import BaseModule, caffe2_xavier_init
from torch import Tensor, nn

from rocovis_mm.compat.host_models import DetrTransformerEncoder, Mask2FormerTransformerDecoder
from rocovis_mm.models.layers.query_decoder import mask_embedding
from rocovis_mm.structures import QueryMemory


@dataclass(frozen=True)
class DecodedObjects:
    """The outputs of the object decoder for one frame.

    Attributes:
        layers: D tensors (B, N, C), each layer's output after the post-norm.
        queries: (B, N, C), the last layer's output before it.
        frame_queries: (B, F, C), the encoded frame queries.
    """

    layers: tuple[Tensor, ...]
    queries: Tensor
    frame_queries: Tensor


class ObjectDecoder(BaseModule):
    """Decodes object queries from a frame's queries and from their own past.

    Args:
        num_classes: K.
        num_queries: N.
        num_frame_queries: F, queries of the frame detector.
        feat_channels: channels of the pixel decoder's finest map.
        out_channels: channels of the mask features.
        embed_dims: C.
        num_heads: of every attention.
        feedforward_channels: of every layer.
        encoder_layers: self-attention layers over the frame queries.
        decoder_layers: D.
    """

    def __init__(
        self,
        num_classes: int,
        num_queries: int,
        num_frame_queries: int,
        feat_channels: int,
        out_channels: int,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        encoder_layers: int,
        decoder_layers: int,
    ) -> None:
        super().__init__()
        attention = dict(embed_dims=embed_dims, num_heads=num_heads, batch_first=True)
        feed_forward = dict(embed_dims=embed_dims, feedforward_channels=feedforward_channels)
        layer = dict(self_attn_cfg=attention, ffn_cfg=feed_forward)
        self.encoder = DetrTransformerEncoder(encoder_layers, layer)
        self.decoder = Mask2FormerTransformerDecoder(
            decoder_layers, dict(layer, cross_attn_cfg=attention)
        )
        self.frame_query_proj = nn.Linear(embed_dims, embed_dims)
        self.frame_query_pos = nn.Embedding(num_frame_queries, embed_dims)
        self.query_feat = nn.Embedding(num_queries, embed_dims)
        self.query_embed = nn.Embedding(num_queries, embed_dims)
        self.query_key = nn.Linear(embed_dims, embed_dims)
        self.query_value = nn.Linear(embed_dims, embed_dims)
        self.memory_key = nn.Linear(embed_dims, embed_dims)
        self.memory_value = nn.Linear(embed_dims, embed_dims)
        self.cls_embed = nn.Linear(embed_dims, num_classes + 1)
        self.mask_embed = mask_embedding(embed_dims, out_channels)
        self.mask_feature = Conv2d(feat_channels, out_channels, 1)
        self.frame_sim_embed = nn.Linear(embed_dims, embed_dims)
        self.object_sim_embed = nn.Linear(embed_dims, embed_dims)

    def init_weights(self) -> None:
        """Initialise as VITA does."""
        for module in (self.encoder, self.decoder):
            for parameter in module.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)
        caffe2_xavier_init(self.mask_feature, bias=0)

    def forward(
        self,
        frame_queries: Tensor,
        queries: Tensor | None,
        memory: Sequence[QueryMemory],
        visible: Tensor | None = None,
    ) -> DecodedObjects:
        """Decode one frame.

        Args:
            frame_queries: (B, F, C), the frame detector's, after its post-norm.
            queries: (B, N, C) of the frame before; None decodes the learned ones.
            memory: past frames, oldest first.
            visible: (B, M) bool, those of them that count; None counts all.
        """
        batch = len(frame_queries)
        source = self.encoder(
            self.frame_query_proj(frame_queries), query_pos=None, key_padding_mask=None
        )
        if queries is None:
            queries = self.query_feat.weight.expand(batch, -1, -1)
        queries = queries + self.query_value(queries) + self.read(queries, memory, visible)
        positions = self.query_embed.weight.expand(batch, -1, -1)
        source_pos = self.frame_query_pos.weight.expand(batch, -1, -1)
        layers = []
        for layer in self.decoder.layers:
            queries = layer(
                query=queries, key=source, value=source, query_pos=positions, key_pos=source_pos
            )
            layers.append(self.decoder.post_norm(queries))
        return DecodedObjects(tuple(layers), queries, source)

    def read(
        self, queries: Tensor, memory: Sequence[QueryMemory], visible: Tensor | None = None
    ) -> Tensor:
        """Return the findings of each query in its own past, (B, N, C); zeros without one.

        A query attends to the keys of its own slot alone, unscaled (GenVIS,
        genvis/modeling/genvis.py, ``forward``).
        """
        if not memory:
            return torch.zeros_like(queries)
        keys = torch.stack([frame.keys for frame in memory], dim=2)  # (B, N, M, C)
        values = torch.stack([frame.values for frame in memory], dim=2)
        logits = torch.einsum('bnc,bnmc->bnm', self.query_key(queries), keys)
        if visible is None:
            weights = logits.softmax(-1)
        else:
            hidden = ~visible[:, None]
            weights = logits.masked_fill(hidden, torch.finfo(logits.dtype).min).softmax(-1)
            weights = weights.masked_fill(hidden, 0)
        return torch.einsum('bnm,bnmc->bnc', weights, values)

    def remember(self, queries: Tensor) -> QueryMemory:
        """Return the memory of a frame, from its queries (B, N, C) before the post-norm."""
        normed = self.decoder.post_norm(queries)
        return QueryMemory(self.memory_key(normed), self.memory_value(normed))

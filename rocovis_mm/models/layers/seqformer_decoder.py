"""SeqFormer's decoder: one query of each instance, and one box query of it in each frame.

B clips, T frames, N queries, C channels, K classes, D decoder layers, L levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmcv.cnn.bricks.transformer import FFN, MultiheadAttention
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from rocovis_mm.models.layers.deformable_attention import DeformableAttention
from rocovis_mm.models.layers.deformable_detr import EncodedFrames, feedforward, init_transformer
from rocovis_mm.models.layers.deformable_detr_decoder import (
    box_layers,
    class_layers,
    init_predictions,
    refine,
)


@dataclass(frozen=True)
class DecodedClip:
    """The output of each decoder layer.

    Attributes:
        queries: D tensors (B, N, C), one vector of each instance.
        box_queries: D tensors (B, T, N, C), one of each instance in each frame.
        references: D tensors (B, T, N, 2 or 4), (x, y) or (x, y, w, h) before each layer in
            shares of the unpadded frame. Only those of the first layer have a gradient.
        boxes: D tensors (B, T, N, 4), (x, y, w, h) after each layer.
        class_logits: D tensors (B, N, K), for sigmoid.
    """

    queries: tuple[Tensor, ...]
    box_queries: tuple[Tensor, ...]
    references: tuple[Tensor, ...]
    boxes: tuple[Tensor, ...]
    class_logits: tuple[Tensor, ...]


class SeqFormerLayer(BaseModule):
    """One decoder layer.

    The box queries alone look at the frames. An instance's query is the sum of what its box
    queries found, weighted over time (paper, section 3.2). The norms are those after the
    self-attention, the cross-attention and the feed-forward part.

    Args:
        feat_channels: C.
        num_levels: L.
        num_heads: of an attention.
        num_points: samples of a head in a level.
        feedforward_channels: hidden channels.
        dropout: of attentions and hidden channels.
    """

    def __init__(
        self,
        feat_channels: int,
        num_levels: int,
        num_heads: int,
        num_points: int,
        feedforward_channels: int,
        dropout: float,
    ) -> None:
        super().__init__()
        attention = dict(
            embed_dims=feat_channels,
            num_heads=num_heads,
            attn_drop=dropout,
            dropout_layer=dict(type='Dropout', drop_prob=dropout),
            batch_first=True,
        )
        self.self_attn = MultiheadAttention(**attention)
        self.box_self_attn = MultiheadAttention(**attention)
        self.cross_attn = DeformableAttention(
            feat_channels,
            num_heads,
            num_levels,
            num_points,
            im2col_step=1,  # a video has any number of frames
            dropout=0.0,
            batch_first=True,
        )
        self.cross_attn.output_proj = nn.Identity()  # these two are its place:
        self.out_proj = nn.Linear(feat_channels, feat_channels)
        self.box_out_proj = nn.Linear(feat_channels, feat_channels)
        self.dropout = nn.Dropout(dropout)
        self.time_weight = nn.Linear(feat_channels, 1)
        self.ffn = FFN(**feedforward(feat_channels, feedforward_channels, dropout))
        self.box_ffn = FFN(**feedforward(feat_channels, feedforward_channels, dropout))
        self.norms = ModuleList([nn.LayerNorm(feat_channels) for _ in range(3)])
        self.box_norms = ModuleList([nn.LayerNorm(feat_channels) for _ in range(3)])

    def forward(
        self,
        queries: Tensor,
        box_queries: Tensor,
        positions: Tensor,
        references: Tensor,
        frames: EncodedFrames,
    ) -> tuple[Tensor, Tensor]:
        """Return the next queries (B, N, C) and box queries (B, T, N, C).

        Args:
            queries: (B, N, C).
            box_queries: (B, T, N, C), or (B, 1, N, C) where all frames have the same ones.
            positions: (B, N, C), of both.
            references: (B, T, N, 2 or 4).
            frames: B * T encoded frames.
        """
        length = references.shape[1]
        queries = self.norms[0](self.self_attn(queries, query_pos=positions, key_pos=positions))
        each = positions[:, None].expand(-1, box_queries.shape[1], -1, -1).flatten(0, 1)
        attended = self.box_self_attn(box_queries.flatten(0, 1), query_pos=each, key_pos=each)
        box_queries = self.box_norms[0](attended).unflatten(0, box_queries.shape[:2])
        found = self.look(box_queries.expand(-1, length, -1, -1), positions, references, frames)
        box_queries = self.box_norms[1](box_queries + self.dropout(self.box_out_proj(found)))
        box_queries = self.box_norms[2](self.box_ffn(box_queries))
        shares = self.time_weight(box_queries).softmax(dim=1)  # (B, T, N, 1)
        over_time = (self.out_proj(found) * shares).sum(1)
        queries = self.norms[1](queries + self.dropout(over_time))
        return self.norms[2](self.ffn(queries)), box_queries

    def look(
        self, box_queries: Tensor, positions: Tensor, references: Tensor, frames: EncodedFrames
    ) -> Tensor:
        """Return the samples (B, T, N, C) that box queries take of their frames."""
        asking = (box_queries + positions[:, None]).flatten(0, 1)
        found = self.cross_attn(
            asking,
            identity=asking.new_zeros(()),
            reference_points=frames.references(references.flatten(0, 1)),
            **frames.attended(),
        )
        return found.unflatten(0, box_queries.shape[:2])


class SeqFormerDecoder(BaseModule):
    """Learned queries, the decoder layers, and the layers of classes and boxes.

    Args:
        num_classes: K.
        num_queries: N.
        feat_channels: C.
        num_levels: L.
        num_layers: D.
        num_heads: of an attention.
        num_points: samples of a head in a level.
        feedforward_channels: hidden channels of a layer.
        dropout: of attentions and hidden channels.
        init_cfg: as any MMEngine module.
    """

    def __init__(
        self,
        num_classes: int,
        num_queries: int,
        feat_channels: int,
        num_levels: int = 4,
        num_layers: int = 6,
        num_heads: int = 8,
        num_points: int = 4,
        feedforward_channels: int = 1024,
        dropout: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.query_embed = nn.Embedding(num_queries, 2 * feat_channels)  # position, content
        self.reference_points = nn.Linear(feat_channels, 2)
        self.layers = ModuleList(
            [
                SeqFormerLayer(
                    feat_channels, num_levels, num_heads, num_points, feedforward_channels, dropout
                )
                for _ in range(num_layers)
            ]
        )
        self.class_embed = class_layers(num_layers, feat_channels, num_classes)
        self.bbox_embed = box_layers(num_layers, feat_channels)

    def init_weights(self) -> None:
        """Draw weights as the published code does."""
        super().init_weights()
        nn.init.normal_(self.query_embed.weight)
        nn.init.xavier_uniform_(self.reference_points.weight)
        nn.init.zeros_(self.reference_points.bias)
        init_transformer(self.layers)
        init_predictions(self.class_embed, self.bbox_embed)

    def forward(self, frames: EncodedFrames, length: int) -> DecodedClip:
        """Decode the learned queries in clips, in their precision also under autocast.

        Args:
            frames: B * T encoded frames, clip by clip; the frames of a clip are padded alike.
            length: T.
        """
        batch = len(frames.memory) // length
        positions, queries = self.query_embed.weight.expand(batch, -1, -1).chunk(2, dim=-1)
        box_queries = queries[:, None]
        steps = []
        with torch.autocast(queries.device.type, enabled=False):  # half is too coarse for places
            first = self.reference_points(positions).sigmoid()
            references = [first[:, None].expand(-1, length, -1, -1)]  # (B, T, N, 2)
            for layer, box_layer in zip(self.layers, self.bbox_embed):
                queries, box_queries = layer(
                    queries, box_queries, positions, references[-1], frames
                )
                boxes = refine(box_layer(box_queries), references[-1])
                references.append(boxes.detach())
                steps.append((queries, box_queries, boxes))
        queries, box_queries, boxes = zip(*steps)
        logits = tuple(embed(x) for embed, x in zip(self.class_embed, queries))
        return DecodedClip(queries, box_queries, tuple(references[:-1]), boxes, logits)

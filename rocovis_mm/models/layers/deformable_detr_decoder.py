"""Deformable DETR's decoder, which refines a box of each query layer by layer.

B frames, N queries, C channels, K classes, D decoder layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from mmdet.models.layers import DeformableDetrTransformerDecoder, inverse_sigmoid
from mmdet.models.layers.transformer.utils import MLP
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from rocovis_mm.models.layers.deformable_detr import EncodedFrames, feedforward, init_transformer


@dataclass(frozen=True)
class DecodedQueries:
    """The output of each decoder layer.

    Attributes:
        queries: D tensors (B, N, C).
        references: D tensors (B, N, 2 or 4), (x, y) or (x, y, w, h) before each layer in shares
            of the unpadded frame. Only those of the first layer have a gradient.
    """

    queries: tuple[Tensor, ...]
    references: tuple[Tensor, ...]


class DeformableDetrDecoder(BaseModule):
    """Learned queries, MMDetection's deformable decoder, class and box layers.

    Args:
        num_classes: K.
        num_queries: N.
        feat_channels: C.
        num_levels: of the encoder.
        num_layers: D.
        num_heads: of an attention.
        num_points: samples of a head in a level.
        feedforward_channels: hidden channels of a layer.
        dropout: of the attention and the hidden channels.
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
        attention = dict(embed_dims=feat_channels, num_heads=num_heads, dropout=dropout)
        sampling = dict(num_levels=num_levels, num_points=num_points)
        self.decoder = DeformableDetrTransformerDecoder(
            num_layers=num_layers,
            return_intermediate=True,
            post_norm_cfg=None,
            layer_cfg=dict(
                self_attn_cfg=dict(attention, batch_first=True),
                cross_attn_cfg=dict(attention, batch_first=True, **sampling),
                ffn_cfg=feedforward(feat_channels, feedforward_channels, dropout),
            ),
        )
        self.class_embed = class_layers(num_layers, feat_channels, num_classes)
        self.bbox_embed = box_layers(num_layers, feat_channels)

    def init_weights(self) -> None:
        """Draw weights as Deformable DETR does."""
        super().init_weights()
        nn.init.normal_(self.query_embed.weight)
        nn.init.xavier_uniform_(self.reference_points.weight)
        nn.init.zeros_(self.reference_points.bias)
        init_transformer(self.decoder)
        init_predictions(self.class_embed, self.bbox_embed)

    def forward(self, frames: EncodedFrames) -> DecodedQueries:
        """Decode the learned queries in each frame, in their precision also under autocast."""
        batch = len(frames.memory)
        positions, queries = self.query_embed.weight.expand(batch, -1, -1).chunk(2, dim=-1)
        with torch.autocast(queries.device.type, enabled=False):  # half is too coarse for places
            first = self.reference_points(positions).sigmoid()  # (B, N, 2)
            layers, references = self.decoder(
                query=queries,
                query_pos=positions,
                reference_points=first,
                valid_ratios=frames.valid_ratios,
                reg_branches=self.bbox_embed,
                **frames.attended(),
            )
        return DecodedQueries(tuple(layers), (first, *references[:-1]))

    def class_logits(self, decoded: DecodedQueries, layer: int = -1) -> Tensor:
        """Return (B, N, K), the sigmoid logits of one layer."""
        return self.class_embed[layer](decoded.queries[layer])

    def boxes(self, decoded: DecodedQueries, layer: int = -1) -> Tensor:
        """Return (B, N, 4), (x, y, w, h) of one layer in shares of the unpadded frame.

        They are in the precision of the queries also under autocast.
        """
        queries = decoded.queries[layer]
        with torch.autocast(queries.device.type, enabled=False):
            return refine(self.bbox_embed[layer](queries), decoded.references[layer])


def class_layers(number: int, channels: int, num_classes: int) -> ModuleList:
    """Return a linear layer of class logits for each decoder layer."""
    return ModuleList([nn.Linear(channels, num_classes) for _ in range(number)])


def box_layers(number: int, channels: int) -> ModuleList:
    """Return three linear layers of box offsets for each decoder layer."""
    return ModuleList([MLP(channels, channels, 4, 3) for _ in range(number)])


def init_predictions(classes: ModuleList, boxes: ModuleList) -> None:
    """Draw class layers that begin at a probability of 1 %, and boxes at their references.

    The first layer makes points to boxes, and begins small (Deformable DETR).
    """
    for layer in classes:
        nn.init.constant_(layer.bias, -math.log(99))
    for number, layer in enumerate(boxes):
        nn.init.zeros_(layer.layers[-1].weight)
        nn.init.zeros_(layer.layers[-1].bias)
        if number == 0:
            nn.init.constant_(layer.layers[-1].bias[2:], -2.0)


def refine(offsets: Tensor, references: Tensor) -> Tensor:
    """Return boxes (..., 4) that the offsets (..., 4) make of references (..., 2 or 4)."""
    known = inverse_sigmoid(references)  # clamped at 1e-5
    missing = known.new_zeros(*known.shape[:-1], 4 - known.shape[-1])
    return (offsets + torch.cat([known, missing], dim=-1)).sigmoid()

"""DVIS' referring tracker: one frame's queries as seen by the tracks so far (Zhang et al. 2023).

B clips, N queries, C channels, K classes, D layers.
"""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from rocovis_mm.compat.host_models import Mask2FormerTransformerDecoder
from rocovis_mm.models.layers.query_decoder import attend, mask_embedding


class ReferringTracker(BaseModule):
    """Decodes a frame's queries into the slots of the tracks (dvis/video_dvis_modules.py:91-350).

    There are no positions and no learned queries. The layers are those of Mask2Former's decoder
    but for their cross-attention, whose residual is not its query.

    Args:
        num_classes: K.
        embed_dims: C, as the detector's queries have.
        out_channels: channels of the mask features.
        num_heads: of every attention.
        feedforward_channels: of every layer.
        num_layers: D.
    """

    def __init__(
        self,
        num_classes: int,
        embed_dims: int,
        out_channels: int,
        num_heads: int,
        feedforward_channels: int,
        num_layers: int,
    ) -> None:
        super().__init__()
        attention = dict(embed_dims=embed_dims, num_heads=num_heads, batch_first=True)
        feed_forward = dict(embed_dims=embed_dims, feedforward_channels=feedforward_channels)
        layer = dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=feed_forward)
        self.decoder = Mask2FormerTransformerDecoder(num_layers, layer)
        self.cls_embed = nn.Linear(embed_dims, num_classes + 1)
        self.mask_embed = mask_embedding(embed_dims, out_channels)

    def init_weights(self) -> None:
        """Initialise as published: the matrices of the layers by Xavier, the heads as built."""
        for parameter in self.decoder.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        aligned: Tensor,
        queries: Tensor,
        past: Tensor | None,
        started: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Decode one frame.

        Args:
            aligned: (B, N, C), the frame's queries in the slots of the tracks.
            queries: (B, N, C), the same ones as they were detected, which are attended to.
            past: (B, N, C), the last layer's output of the frame before, which asks in every
                layer; None at the first frame, where the frame asks itself.
            started: (B,) bool, False for clips at their first frame, whose `past` is not read;
                None where `past` says it.

        Returns:
            D tensors (B, N, C), each layer's output before the post-norm.
        """
        tracks, outputs = aligned, []
        for layer in self.decoder.layers:
            asking = tracks if past is None else past
            if started is not None:
                asking = torch.where(started[:, None, None], past, tracks)
            tracks = layer.norms[0](
                tracks + attend(layer.cross_attn.attn, asking, queries, queries)
            )
            talk = attend(layer.self_attn.attn, tracks, tracks, tracks)
            tracks = layer.norms[2](layer.ffn(layer.norms[1](tracks + talk)))
            outputs.append(tracks)
        return tuple(outputs)

    def predict(self, tracks: Tensor) -> tuple[Tensor, Tensor]:
        """Return class logits (..., K + 1) and mask embeddings of a layer's output (..., C)."""
        normed = self.decoder.post_norm(tracks)
        return self.cls_embed(normed), self.mask_embed(normed)

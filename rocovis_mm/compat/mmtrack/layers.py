"""Mask2Former's transformer layers as MMDetection >= 3.0 has them, batch first.

MMDetection 3.0.0rc5 builds them from mmcv's ``BaseTransformerLayer``, with other names of
parameters and the batch second. Names, arguments and order of the steps here are those of
mmdet 3.3.0, ``models/layers/transformer/{detr,deformable_detr,mask2former}_layers.py``, so that
checkpoints go from one host to the other. B images, N queries, S keys, C channels.
"""

from __future__ import annotations

from typing import Any

from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks.transformer import FFN, MultiheadAttention
from mmcv.ops import MultiScaleDeformableAttention
from mmengine.model import BaseModule, ModuleList
from torch import Tensor

LAYER_NORM = dict(type='LN')


class EncoderLayer(BaseModule):
    """Self-attention and feed-forward network, a norm after each.

    Args:
        self_attn_cfg: arguments of the attention.
        ffn_cfg: arguments of mmcv's ``FFN``.
        norm_cfg: of both norms.
        init_cfg: as any MMEngine module.
    """

    attention_type: type = MultiheadAttention

    def __init__(
        self,
        self_attn_cfg: dict,
        ffn_cfg: dict,
        norm_cfg: dict = LAYER_NORM,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.self_attn = self.attention_type(**{**self_attn_cfg, 'batch_first': True})
        self.embed_dims = self.self_attn.embed_dims
        self.ffn = FFN(**ffn_cfg)
        self.norms = ModuleList(build_norm_layer(norm_cfg, self.embed_dims)[1] for _ in range(2))

    @property
    def attentions(self) -> list[BaseModule]:
        """Modules that MMDetection 3.0.0rc5 initialises (``msdeformattn_pixel_decoder.py:169``)."""
        return [self.self_attn]

    def forward(
        self,
        query: Tensor,
        query_pos: Tensor | None,
        key_padding_mask: Tensor | None,
        **kwargs: Any,
    ) -> Tensor:
        """Return (B, N, C).

        Args:
            query: (B, N, C).
            query_pos: (B, N, C) or None.
            key_padding_mask: (B, N) bool, True for tokens that do not count, or None.
            **kwargs: of the attention.
        """
        query = self.attend(query, query_pos, key_padding_mask=key_padding_mask, **kwargs)
        return self.norms[1](self.ffn(self.norms[0](query)))

    def attend(self, query: Tensor, query_pos: Tensor | None, **kwargs: Any) -> Tensor:
        """Return (B, N, C): the queries after they attended to each other.

        Args:
            query: (B, N, C).
            query_pos: (B, N, C) or None.
            **kwargs: of the attention.
        """
        return self.self_attn(
            query=query,
            key=query,
            value=query,
            query_pos=query_pos,
            key_pos=query_pos,
            **kwargs,
        )


class DeformableEncoderLayer(EncoderLayer):
    """Deformable self-attention and feed-forward network."""

    attention_type = MultiScaleDeformableAttention


class DetrTransformerEncoder(BaseModule):
    """Encoder layers one after the other.

    Args:
        num_layers: how many.
        layer_cfg: arguments of each.
        init_cfg: as any MMEngine module.
    """

    layer_type: type = EncoderLayer

    def __init__(self, num_layers: int, layer_cfg: dict, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_layers = num_layers
        self.layers = ModuleList(self.layer_type(**layer_cfg) for _ in range(num_layers))
        self.embed_dims = self.layers[0].embed_dims

    def forward(
        self,
        query: Tensor,
        query_pos: Tensor | None,
        key_padding_mask: Tensor | None,
        **kwargs: Any,
    ) -> Tensor:
        """Return (B, N, C). The arguments are those of a layer."""
        for layer in self.layers:
            query = layer(
                query=query, query_pos=query_pos, key_padding_mask=key_padding_mask, **kwargs
            )
        return query


class Mask2FormerTransformerEncoder(DetrTransformerEncoder):
    """The pixel decoder's encoder."""

    layer_type = DeformableEncoderLayer


class Mask2FormerDecoderLayer(EncoderLayer):
    """Masked cross-attention, self-attention, feed-forward network, a norm after each.

    Args:
        self_attn_cfg: arguments of mmcv's ``MultiheadAttention``.
        cross_attn_cfg: likewise.
        ffn_cfg: arguments of mmcv's ``FFN``.
        norm_cfg: of the norms.
        init_cfg: as any MMEngine module.
    """

    def __init__(
        self,
        self_attn_cfg: dict,
        cross_attn_cfg: dict,
        ffn_cfg: dict,
        norm_cfg: dict = LAYER_NORM,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(self_attn_cfg, ffn_cfg, norm_cfg, init_cfg)
        self.cross_attn = MultiheadAttention(**{**cross_attn_cfg, 'batch_first': True})
        self.norms.append(build_norm_layer(norm_cfg, self.embed_dims)[1])

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        query_pos: Tensor | None = None,
        key_pos: Tensor | None = None,
        self_attn_mask: Tensor | None = None,
        cross_attn_mask: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Return (B, N, C).

        Args:
            query: (B, N, C).
            key: (B, S, C).
            value: (B, S, C).
            query_pos: (B, N, C), added to the queries in both attentions.
            key_pos: (B, S, C), added to the keys of the cross-attention.
            self_attn_mask: (B * heads, N, N) bool, True where a query must not look.
            cross_attn_mask: (B * heads, N, S) bool, likewise.
            key_padding_mask: (B, S) bool, True for keys that do not count.
            **kwargs: of both attentions.
        """
        query = self.cross_attn(
            query=query,
            key=key,
            value=value,
            query_pos=query_pos,
            key_pos=key_pos,
            attn_mask=cross_attn_mask,
            key_padding_mask=key_padding_mask,
            **kwargs,
        )
        query = self.norms[0](query)
        query = self.attend(query, query_pos, attn_mask=self_attn_mask, **kwargs)
        return self.norms[2](self.ffn(self.norms[1](query)))


class Mask2FormerTransformerDecoder(BaseModule):
    """Decoder layers and the norm of their outputs; the models here call each layer themselves.

    Args:
        num_layers: how many.
        layer_cfg: arguments of each.
        post_norm_cfg: of the norm.
        return_intermediate: accepted, as configs of MMDetection have it.
        init_cfg: as any MMEngine module.
    """

    def __init__(
        self,
        num_layers: int,
        layer_cfg: dict,
        post_norm_cfg: dict = LAYER_NORM,
        return_intermediate: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_layers = num_layers
        self.layers = ModuleList(Mask2FormerDecoderLayer(**layer_cfg) for _ in range(num_layers))
        self.embed_dims = self.layers[0].embed_dims
        self.post_norm = build_norm_layer(post_norm_cfg, self.embed_dims)[1]

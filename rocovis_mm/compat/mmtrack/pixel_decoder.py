"""Mask2Former's pixel decoder of MMDetection 3.0.0rc5, with the encoder of later ones."""

from __future__ import annotations

from typing import Any

from mmdet.models.layers import MSDeformAttnPixelDecoder as RC5PixelDecoder
from mmengine.config import ConfigDict

from rocovis_mm.compat.mmtrack.layers import Mask2FormerTransformerEncoder


class MSDeformAttnPixelDecoder(RC5PixelDecoder):
    """Takes the arguments of mmdet 3.3.0's class of this name; so are its parameters called.

    Args:
        encoder: arguments of :class:`Mask2FormerTransformerEncoder`.
        positional_encoding: arguments of ``SinePositionalEncoding``.
        **kwargs: of the parent.
    """

    def __init__(self, encoder: dict, positional_encoding: dict, **kwargs: Any) -> None:
        attention = encoder['layer_cfg']['self_attn_cfg']
        super().__init__(
            encoder=one_old_layer(attention),
            positional_encoding=dict(positional_encoding, type='mmdet.SinePositionalEncoding'),
            **kwargs,
        )
        self.encoder = Mask2FormerTransformerEncoder(**encoder)


def one_old_layer(attention: dict) -> ConfigDict:
    """Return the smallest encoder that the parent can build: it is replaced at once."""
    attention = {key: value for key, value in attention.items() if key != 'batch_first'}
    layer = dict(
        type='BaseTransformerLayer',
        attn_cfgs=dict(attention, type='MultiScaleDeformableAttention'),
        ffn_cfgs=dict(embed_dims=attention['embed_dims'], feedforward_channels=1),
        operation_order=('self_attn', 'norm', 'ffn', 'norm'),
    )
    return ConfigDict(type='mmdet.DetrTransformerEncoder', num_layers=1, transformerlayers=layer)

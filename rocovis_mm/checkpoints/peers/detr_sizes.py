"""The sizes of a model on top of Deformable DETR, read off its weights, and its config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from rocovis_mm.checkpoints.sizes import backbone, count, shape

ENCODER, DECODER = 'track_head.encoder.', 'track_head.decoder.'


@dataclass(frozen=True)
class DetrSizes:
    """Sizes that can be read off the shapes of a model's weights.

    The number of attention heads is among them for Swin's backbone alone, as no other shape has it.

    Attributes:
        backbone: its name, such as 'ResNet-50' or 'Swin-L'.
        backbone_config: of MMDetection's backbone.
        in_channels: of the backbone's maps that are read, high to low resolution.
        num_classes: K.
        num_queries: N.
        feat_channels: of encoder, decoder and queries.
        num_levels: maps that the encoder reads.
        encoder_layers: of the encoder.
        encoder_ffn: channels inside its feed-forward parts.
        encoder_heads_x_points: heads times sampling points of a level.
        decoder_layers: of the decoder.
        decoder_ffn: channels inside its feed-forward parts.
    """

    backbone: str
    backbone_config: dict[str, Any]
    in_channels: tuple[int, ...]
    num_classes: int
    num_queries: int
    feat_channels: int
    num_levels: int
    encoder_layers: int
    encoder_ffn: int
    encoder_heads_x_points: int
    decoder_layers: int
    decoder_ffn: int

    def plain(self) -> dict[str, Any]:
        """Return the sizes as a plain dictionary."""
        return asdict(self)

    def in_line(self) -> str:
        """Return the sizes as a line of text."""
        return (
            f'{self.backbone}, {self.num_classes} classes; encoder of {self.encoder_layers} layers '
            f'on {self.num_levels} levels, FFN {self.encoder_ffn}; {self.num_queries} queries of '
            f'{self.feat_channels} channels, {self.decoder_layers} layers, FFN {self.decoder_ffn}'
        )


def read_detr_sizes(weights: Mapping[str, Tensor]) -> DetrSizes:
    """Read the sizes off weights under our names.

    Args:
        weights: all of the model.

    Raises:
        ValueError: a tensor has another number of dimensions than it should.
    """
    name, config = backbone(weights)
    levels = count(weights, ENCODER + 'input_proj.{}.conv.weight')
    projections = [shape(weights, f'{ENCODER}input_proj.{i}.conv.weight', 4) for i in range(levels)]
    attention = f'{ENCODER}encoder.layers.0.self_attn.attention_weights.bias'
    layers = f'{ENCODER}encoder.layers.'
    decoder = DECODER + (
        'decoder.' if f'{DECODER}decoder.layers.0.norms.0.weight' in weights else ''
    )
    queries, channels = shape(weights, f'{DECODER}query_embed.weight', 2)
    return DetrSizes(
        backbone=name,
        backbone_config=config,
        in_channels=tuple(s[1] for s in projections if s[2:] == (1, 1)),
        num_classes=shape(weights, f'{DECODER}class_embed.0.weight', 2)[0],
        num_queries=queries,
        feat_channels=channels // 2,
        num_levels=levels,
        encoder_layers=count(weights, layers + '{}.norms.0.weight'),
        encoder_ffn=shape(weights, layers + '0.ffn.layers.0.0.weight', 2)[0],
        encoder_heads_x_points=shape(weights, attention, 1)[0] // levels,
        decoder_layers=count(weights, decoder + 'layers.{}.norms.0.weight'),
        decoder_ffn=shape(weights, decoder + 'layers.0.ffn.layers.0.0.weight', 2)[0],
    )


def fitting_detr_config(sizes: DetrSizes) -> dict[str, Any]:
    """Return the part of a model's config that the sizes decide."""
    swin = 'window_size' in sizes.backbone_config
    if swin:  # it takes the place of the ResNet in the base configs
        chosen = dict(_delete_=True)
    else:
        chosen = dict(out_indices=(1, 2, 3))
    head = dict(
        num_classes=sizes.num_classes,
        num_queries=sizes.num_queries,
        feat_channels=sizes.feat_channels,
        encoder=dict(
            num_levels=sizes.num_levels,
            num_layers=sizes.encoder_layers,
            feedforward_channels=sizes.encoder_ffn,
        ),
        decoder=dict(
            num_levels=sizes.num_levels,
            num_layers=sizes.decoder_layers,
            feedforward_channels=sizes.decoder_ffn,
        ),
        strides=(4, 8, 16, 32) if swin else (8, 16, 32),
    )
    return dict(backbone=dict(sizes.backbone_config, **chosen), track_head=head)

"""The sizes of a model, read off its weights, and the config that fits them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from rocovis_mm.checkpoints.names import HEADS
from rocovis_mm.checkpoints.peers import ctvis, dvis

RESNET_DEPTHS = {
    (2, (2, 2, 2, 2)): 18,
    (2, (3, 4, 6, 3)): 34,
    (3, (3, 4, 6, 3)): 50,
    (3, (3, 4, 23, 3)): 101,
    (3, (3, 8, 36, 3)): 152,
}
"""Convolutions in a block, blocks in each stage -> depth."""
SWIN_NAMES = {
    (96, (2, 2, 6, 2)): 'Swin-T',
    (96, (2, 2, 18, 2)): 'Swin-S',
    (128, (2, 2, 18, 2)): 'Swin-B',
    (192, (2, 2, 18, 2)): 'Swin-L',
}


@dataclass(frozen=True)
class ModelSizes:
    """Sizes that can be read off the shapes of a model's weights.

    The number of attention heads is among them for Swin alone, as no other shape has it.

    Attributes:
        backbone: its name, such as 'ResNet-50' or 'Swin-L'.
        backbone_config: of MMDetection's backbone.
        in_channels: of the backbone's maps, high to low resolution.
        num_classes: K, without "no object".
        num_queries: N, of the frame decoder.
        feat_channels: of the pixel decoder.
        out_channels: of the mask features.
        query_channels: of the query decoder.
        encoder_levels: maps that the deformable encoder reads.
        encoder_layers: of the deformable encoder.
        encoder_ffn: channels inside its feed-forward parts.
        encoder_heads_x_points: heads times sampling points of a level.
        decoder_layers: of the query decoder, the prediction before the first one not counted.
        decoder_ffn: channels inside its feed-forward parts.
        object_queries: of GenVIS' object decoder; None without one, as the next four.
        object_channels: its channels.
        object_encoder_layers: layers over the frame queries.
        object_decoder_layers: layers of the object decoder.
        object_ffn: channels inside its feed-forward parts.
        reid_layers: of CTVIS' embedding; None without one, as the next.
        reid_channels: between these layers; also None where there is one layer.
        tracker_layers: of DVIS' tracker; None without one, as the next.
        tracker_ffn: channels inside its feed-forward parts.
    """

    backbone: str
    backbone_config: dict[str, Any]
    in_channels: tuple[int, ...]
    num_classes: int
    num_queries: int
    feat_channels: int
    out_channels: int
    query_channels: int
    encoder_levels: int
    encoder_layers: int
    encoder_ffn: int
    encoder_heads_x_points: int
    decoder_layers: int
    decoder_ffn: int
    object_queries: int | None = None
    object_channels: int | None = None
    object_encoder_layers: int | None = None
    object_decoder_layers: int | None = None
    object_ffn: int | None = None
    reid_layers: int | None = None
    reid_channels: int | None = None
    tracker_layers: int | None = None
    tracker_ffn: int | None = None

    def plain(self) -> dict[str, Any]:
        """Return the sizes as a plain dictionary, those of other models left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def in_line(self) -> str:
        """Return the sizes as a line of text."""
        parts = [
            f'{self.backbone}, {self.num_classes} classes',
            f'pixel decoder of {self.feat_channels} channels, {self.encoder_layers} layers on '
            f'{self.encoder_levels} levels, FFN {self.encoder_ffn}',
            f'{self.num_queries} queries of {self.query_channels} channels, '
            f'{self.decoder_layers} layers, FFN {self.decoder_ffn}',
            f'mask features of {self.out_channels} channels',
        ]
        if self.object_queries is not None:
            parts.append(
                f'object decoder: {self.object_queries} queries of {self.object_channels} '
                f'channels, {self.object_encoder_layers} + {self.object_decoder_layers} layers, '
                f'FFN {self.object_ffn}'
            )
        if self.reid_layers is not None:
            parts.append(f'embedding of {self.reid_layers} layers')
        if self.tracker_layers is not None:
            parts.append(f'tracker: {self.tracker_layers} layers, FFN {self.tracker_ffn}')
        return '; '.join(parts)


def read_sizes(weights: Mapping[str, Tensor], kind: str) -> ModelSizes:
    """Read the sizes off weights under our names.

    Args:
        weights: all of the model.
        kind: one of ``HEADS``.

    Raises:
        ValueError: a tensor has another number of dimensions than it should.
    """
    pixels, queries = HEADS[kind]
    finer = count(weights, f'{pixels}lateral_convs.{{}}.conv.weight')
    levels = count(weights, f'{pixels}input_convs.{{}}.conv.weight')
    convolutions = [f'{pixels}lateral_convs.{i}.conv.weight' for i in reversed(range(finer))]
    convolutions += [f'{pixels}input_convs.{i}.conv.weight' for i in reversed(range(levels))]
    encoder, decoder = f'{pixels}encoder.layers.', f'{queries}transformer_decoder.layers.'
    name, config = backbone(weights)
    return ModelSizes(
        backbone=name,
        backbone_config=config,
        in_channels=tuple(shape(weights, key, 4)[1] for key in convolutions),
        num_classes=shape(weights, f'{queries}cls_embed.weight', 2)[0] - 1,
        num_queries=shape(weights, f'{queries}query_feat.weight', 2)[0],
        feat_channels=shape(weights, f'{pixels}mask_feature.weight', 4)[1],
        out_channels=shape(weights, f'{pixels}mask_feature.weight', 4)[0],
        query_channels=shape(weights, f'{queries}query_feat.weight', 2)[1],
        encoder_levels=levels,
        encoder_layers=count(weights, encoder + '{}.norms.0.weight'),
        encoder_ffn=shape(weights, encoder + '0.ffn.layers.0.0.weight', 2)[0],
        encoder_heads_x_points=shape(weights, encoder + '0.self_attn.attention_weights.bias', 1)[0]
        // levels,
        decoder_layers=count(weights, decoder + '{}.norms.0.weight'),
        decoder_ffn=shape(weights, decoder + '0.ffn.layers.0.0.weight', 2)[0],
        **(object_sizes(weights) if kind == 'genvis' else {}),
        **(ctvis.embedding_sizes(weights) if kind == 'ctvis' else {}),
        **(tracker_sizes(weights) if kind == 'dvis' else {}),
    )


def object_sizes(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Read the sizes of GenVIS' object decoder."""
    part = 'track_head.object_decoder.'
    queries, channels = shape(weights, f'{part}query_feat.weight', 2)
    return {
        'object_queries': queries,
        'object_channels': channels,
        'object_encoder_layers': count(weights, f'{part}encoder.layers.{{}}.norms.0.weight'),
        'object_decoder_layers': count(weights, f'{part}decoder.layers.{{}}.norms.0.weight'),
        'object_ffn': shape(weights, f'{part}decoder.layers.0.ffn.layers.0.0.weight', 2)[0],
    }


def tracker_sizes(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Read the sizes of DVIS' tracker."""
    layers = dvis.OURS + 'decoder.layers.'
    return {
        'tracker_layers': count(weights, f'{layers}{{}}.norms.0.weight'),
        'tracker_ffn': shape(weights, f'{layers}0.ffn.layers.0.0.weight', 2)[0],
    }


def backbone(weights: Mapping[str, Tensor]) -> tuple[str, dict[str, Any]]:
    """Return the backbone's name and the config of MMDetection's."""
    if 'backbone.patch_embed.projection.weight' in weights:
        return swin(weights)
    blocks = tuple(
        count(weights, f'backbone.layer{stage}.{{}}.conv1.weight') for stage in (1, 2, 3, 4)
    )
    convolutions = count(weights, 'backbone.layer1.0.conv{}.weight', first=1)
    depth = RESNET_DEPTHS.get((convolutions, blocks))
    if depth is None:
        raise ValueError(
            f'a ResNet with blocks {blocks} of {convolutions} convolutions, which is none of '
            f'the depths {sorted(RESNET_DEPTHS.values())}'
        )
    base = shape(weights, 'backbone.layer1.0.conv1.weight', 4)[0]
    stem = shape(weights, 'backbone.conv1.weight', 4)[0]
    widths = {} if base == stem == 64 else {'base_channels': base, 'stem_channels': stem}
    return f'ResNet-{depth}', dict(type='mmdet.ResNet', depth=depth, style='pytorch', **widths)


def swin(weights: Mapping[str, Tensor]) -> tuple[str, dict[str, Any]]:
    """Return the name and the config of a Swin transformer."""
    prefix = 'backbone.stages.{}.blocks.0.'
    channels = shape(weights, 'backbone.patch_embed.projection.weight', 4)[0]
    stages = count(weights, prefix + 'norm1.weight')
    depths = tuple(
        count(weights, f'backbone.stages.{i}.blocks.{{}}.norm1.weight') for i in range(stages)
    )
    tables = [
        shape(weights, f'{prefix.format(i)}attn.w_msa.relative_position_bias_table', 2)
        for i in range(stages)
    ]
    config = dict(
        type='mmdet.SwinTransformer',
        embed_dims=channels,
        depths=list(depths),
        num_heads=[heads for _, heads in tables],
        window_size=(math.isqrt(tables[0][0]) + 1) // 2,
        mlp_ratio=shape(weights, prefix.format(0) + 'ffn.layers.0.0.weight', 2)[0] // channels,
        patch_size=shape(weights, 'backbone.patch_embed.projection.weight', 4)[-1],
        out_indices=list(range(stages)),
        qkv_bias=f'{prefix.format(0)}attn.w_msa.qkv.bias' in weights,
    )
    return SWIN_NAMES.get((channels, depths), f'Swin ({channels}, depths {depths})'), config


def count(weights: Mapping[str, Tensor], template: str, first: int = 0) -> int:
    """Return the number of tensors with consecutive numbers in their names."""
    number = first
    while template.format(number) in weights:
        number += 1
    return number - first


def shape(weights: Mapping[str, Tensor], name: str, dimensions: int) -> tuple[int, ...]:
    """Return the shape of a tensor with a number of dimensions."""
    found = tuple(weights[name].shape)
    if len(found) != dimensions:
        raise ValueError(f'{name} has the shape {found}, not {dimensions} dimensions')
    return found


def fitting_config(sizes: ModelSizes, kind: str) -> dict[str, Any]:
    """Return the part of a model's config that the sizes decide.

    Args:
        sizes: of the model.
        kind: one of ``HEADS``.
    """
    feed = dict(embed_dims=sizes.feat_channels, feedforward_channels=sizes.encoder_ffn)
    encoder = dict(
        num_layers=sizes.encoder_layers,
        layer_cfg=dict(
            self_attn_cfg=dict(embed_dims=sizes.feat_channels, num_levels=sizes.encoder_levels),
            ffn_cfg=feed,
        ),
    )
    head = dict(
        in_channels=list(sizes.in_channels),
        feat_channels=sizes.feat_channels,
        out_channels=sizes.out_channels,
        num_queries=sizes.num_queries,
        pixel_decoder=dict(
            encoder=encoder, positional_encoding=dict(num_feats=sizes.feat_channels // 2)
        ),
        positional_encoding=dict(num_feats=sizes.query_channels // 2),
        transformer_decoder=dict(
            num_layers=sizes.decoder_layers,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=sizes.query_channels),
                cross_attn_cfg=dict(embed_dims=sizes.query_channels),
                ffn_cfg=dict(
                    embed_dims=sizes.query_channels, feedforward_channels=sizes.decoder_ffn
                ),
            ),
        ),
    )
    swin = 'window_size' in sizes.backbone_config
    # a Swin takes the place of the ResNet in the base configs; a ResNet changes some values
    model = dict(backbone=dict(sizes.backbone_config, **(dict(_delete_=True) if swin else {})))
    if kind == 'mask2former':
        head.update(num_things_classes=sizes.num_classes, num_stuff_classes=0)
        return dict(model, panoptic_head=head)
    head.update(num_classes=sizes.num_classes)
    if kind == 'genvis':
        head['object_decoder'] = dict(
            num_queries=sizes.object_queries,
            embed_dims=sizes.object_channels,
            feedforward_channels=sizes.object_ffn,
            encoder_layers=sizes.object_encoder_layers,
            decoder_layers=sizes.object_decoder_layers,
        )
    if kind == 'ctvis':
        head.update(reid_layers=sizes.reid_layers, reid_channels=sizes.reid_channels)
    if kind == 'dvis':
        head['tracker'] = dict(
            num_layers=sizes.tracker_layers, feedforward_channels=sizes.tracker_ffn
        )
    return dict(model, track_head=head)

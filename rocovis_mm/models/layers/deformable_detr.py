"""Deformable DETR's encoder with padding masks (Zhu et al. 2021), as IDOL and SeqFormer use it.

B frames, C channels, L levels, S cells of all levels, h x w the size of a level,
H x W a padded input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmcv.ops import MultiScaleDeformableAttention
from mmdet.models.layers import DeformableDetrTransformerEncoder, SinePositionalEncoding
from mmengine.model import BaseModule
from torch import Tensor, nn

from rocovis_mm.models.layers.deformable_attention import DeformableAttention, SamplingPlan


@dataclass(frozen=True)
class EncodedFrames:
    """The encoder's memory of a batch of frames.

    Attributes:
        memory: (B, S, C), levels from high to low resolution.
        padding: (B, S) bool, cells that are padding.
        sizes: (h, w) of each level.
        valid_ratios: (B, L, 2), the valid share of a level's columns and rows.
    """

    memory: Tensor
    padding: Tensor
    sizes: tuple[tuple[int, int], ...]
    valid_ratios: Tensor

    def maps(self, number: int) -> list[Tensor]:
        """Return the memory of the first levels as maps (B, C, h, w)."""
        levels = self.memory.split([h * w for h, w in self.sizes], dim=1)
        return [
            level.transpose(1, 2).unflatten(-1, size)
            for level, size in zip(levels[:number], self.sizes)
        ]

    def attended(self) -> dict[str, Tensor]:
        """Return the arguments by which deformable attention reads the memory."""
        shapes = torch.tensor(self.sizes, device=self.memory.device)
        return dict(
            value=self.memory,
            key_padding_mask=self.padding,
            spatial_shapes=shapes,
            level_start_index=level_starts(shapes),
        )

    def references(self, boxes: Tensor) -> Tensor:
        """Return the reference points or boxes of each level.

        Args:
            boxes: (B, N, 2 or 4), (x, y) or (x, y, w, h) in shares of the unpadded frame.

        Returns:
            (B, N, L, 2 or 4), in shares of the padded level.
        """
        ratios = self.valid_ratios.repeat(1, 1, boxes.shape[-1] // 2)
        return boxes[:, :, None] * ratios[:, None]


class DeformableDetrEncoder(BaseModule):
    """Input projections, positions and MMDetection's deformable encoder.

    Each of the backbone's maps is projected by a 1x1 convolution. A 3x3 convolution of stride 2
    makes each further level, the first from the backbone's last map.

    Args:
        in_channels: channels of the backbone's maps, high to low resolution.
        feat_channels: C.
        num_levels: L, at least as many as there are maps.
        num_layers: of the encoder.
        num_heads: of an attention.
        num_points: samples of a head in a level.
        feedforward_channels: hidden channels of a layer.
        dropout: of the attention and the hidden channels.
        init_cfg: as any MMEngine module.

    Raises:
        ValueError: fewer levels than maps.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
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
        if num_levels < len(in_channels):
            raise ValueError(
                f'encoder.num_levels={num_levels}: the backbone gives {len(in_channels)} maps; '
                'give as many levels at least'
            )
        self.input_proj = nn.ModuleList()
        norm = dict(type='GN', num_groups=32)
        for level in range(num_levels):
            source = [*in_channels, in_channels[-1], *[feat_channels] * num_levels][level]
            further = level >= len(in_channels)
            convolution = dict(kernel_size=3, stride=2, padding=1) if further else {}
            self.input_proj.append(
                ConvModule(
                    source,
                    feat_channels,
                    **{'kernel_size': 1, **convolution},
                    bias=True,
                    norm_cfg=norm,
                    act_cfg=None,
                )
            )
        self.positions = SinePositionalEncoding(feat_channels // 2, normalize=True, offset=-0.5)
        self.level_embed = nn.Parameter(torch.empty(num_levels, feat_channels))
        attention = dict(
            embed_dims=feat_channels,
            num_heads=num_heads,
            num_levels=num_levels,
            num_points=num_points,
            dropout=dropout,
        )
        self.encoder = DeformableDetrTransformerEncoder(
            num_layers=num_layers,
            layer_cfg=dict(
                self_attn_cfg=dict(attention, batch_first=True),
                ffn_cfg=feedforward(feat_channels, feedforward_channels, dropout),
            ),
        )
        for layer in self.encoder.layers:
            DeformableAttention.take_over(layer.self_attn)

    def init_weights(self) -> None:
        """Draw weights as Deformable DETR does."""
        super().init_weights()
        nn.init.normal_(self.level_embed)
        for projection in self.input_proj:
            nn.init.xavier_uniform_(projection.conv.weight)
            nn.init.zeros_(projection.conv.bias)
        init_transformer(self.encoder)

    def forward(self, features: Sequence[Tensor], padding: Tensor) -> EncodedFrames:
        """Encode each frame by itself, in the precision of the weights also under autocast.

        Args:
            features: maps of the backbone, each (B, C_i, h, w), high to low resolution.
            padding: (B, H, W) bool, pixels that are padding.
        """
        maps = self.project(features)
        masks = [level_padding(padding, x.shape[-2:]) for x in features]  # (B, h, w)
        # a further level looks at the first one, not at the pixels, as in VNext
        # (projects/IDOL/idol/models/segmentation_condInst.py, ``forward``)
        masks += [level_padding(masks[0], x.shape[-2:]) for x in maps[len(features) :]]
        sizes = tuple(tuple(x.shape[-2:]) for x in maps)
        ratios = torch.stack([valid_ratio(mask) for mask in masks], dim=1)  # (B, L, 2)
        positions = [
            self.positions(mask) + embed[:, None, None]
            for mask, embed in zip(masks, self.level_embed)
        ]
        shapes = torch.tensor(sizes, device=padding.device)
        flat = torch.cat([mask.flatten(1) for mask in masks], dim=1)
        with torch.autocast(padding.device.type, enabled=False):  # half is too coarse for places
            memory = self.encoder(
                query=in_a_row(maps).to(self.level_embed),
                query_pos=in_a_row(positions),
                key_padding_mask=flat,
                spatial_shapes=shapes,
                level_start_index=level_starts(shapes),
                valid_ratios=ratios,
                plan=self.sampling_plan(sizes, ratios),
            )
        return EncodedFrames(memory, flat, sizes, ratios)

    def project(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return L maps (B, C, h, w) of the backbone's maps."""
        maps = []
        for level, projection in enumerate(self.input_proj):
            if level < len(features):
                source = features[level]
            else:
                source = features[-1] if level == len(features) else maps[-1]
            maps.append(projection(source))
        return maps

    def sampling_plan(
        self, sizes: tuple[tuple[int, int], ...], ratios: Tensor
    ) -> SamplingPlan | None:
        """Return the plan of :func:`sample`, None where the frames are padded differently."""
        if len(ratios) > 1 and not torch.equal(ratios, ratios[:1].expand_as(ratios)):
            return None
        references = self.encoder.get_encoder_reference_points(sizes, ratios[:1], ratios.device)
        attention = self.encoder.layers[0].self_attn
        return SamplingPlan.make(sizes, references[0], attention.num_heads, attention.num_points)


def feedforward(channels: int, hidden: int, dropout: float) -> dict:
    """Return the config of a layer's two linear layers."""
    act = dict(type='ReLU', inplace=True)
    return dict(
        embed_dims=channels, feedforward_channels=hidden, num_fcs=2, ffn_drop=dropout, act_cfg=act
    )


def padding_mask(sizes: Sequence[tuple[int, int]], padded: tuple[int, int]) -> Tensor:
    """Return (B, H, W) bool, the pixels beyond each frame.

    Args:
        sizes: B unpadded (height, width).
        padded: (H, W).
    """
    mask = torch.ones(len(sizes), *padded, dtype=torch.bool)
    for frame, (height, width) in zip(mask, sizes):
        frame[:height, :width] = False
    return mask


def level_padding(padding: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (B, h, w) bool, the nearest pixels' padding (VNext, util/misc.py:288)."""
    return F.interpolate(padding[None].float(), tuple(size))[0].bool()


def valid_ratio(mask: Tensor) -> Tensor:
    """Return (B, 2), the valid share of the first row's columns and the first column's rows.

    Args:
        mask: (B, h, w) bool, padding.
    """
    return torch.stack([(~mask[:, 0]).float().mean(-1), (~mask[:, :, 0]).float().mean(-1)], dim=-1)


def level_starts(shapes: Tensor) -> Tensor:
    """Return (L,), the first cell of each level, from the sizes (L, 2) of the levels."""
    cells = shapes.prod(1)
    return cells.cumsum(0) - cells


def in_a_row(maps: Sequence[Tensor]) -> Tensor:
    """Return the cells (B, S, C) of maps (B, C, h, w)."""
    return torch.cat([x.flatten(2).transpose(1, 2) for x in maps], dim=1)


def init_transformer(layers: nn.Module) -> None:
    """Draw weights of attention and feed-forward layers as Deformable DETR does."""
    for parameter in layers.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    for module in layers.modules():
        if isinstance(module, MultiScaleDeformableAttention):
            module.init_weights()

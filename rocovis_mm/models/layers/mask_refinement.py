"""VMT's refinement of masks to higher resolution (Ke et al. 2022).

B frames, n instances, C channels, c mask features, R tokens of a frame. The middle stage is at
stride 4, the fine stage at stride 2; h x w is the resolution of the fine stage.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks.transformer import FFN
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

DILATIONS = (3, 5, 7, 1)
"""Of the fine stage's branches."""
OWN = 5
"""Maps of an instance that the fine stage reads: two masks, its box, relative coordinates."""
EDGE_DILATION = 3
"""Pixels between those that the edge of a mask is found by."""
EPS = 1e-6


class TokenLayer(BaseModule):
    """Attention among tokens, and a feed-forward part, each with a norm after it.

    Args:
        channels: of a token.
        num_heads: of the attention.
        feedforward_channels: hidden channels.
        dropout: of attention and hidden channels.
    """

    def __init__(
        self, channels: int, num_heads: int, feedforward_channels: int, dropout: float
    ) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(
            channels, num_heads, dropout=dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ffn = FFN(channels, feedforward_channels, ffn_drop=dropout)
        self.norms = ModuleList([nn.LayerNorm(channels) for _ in range(2)])

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Return the tokens (1, R, C) after the layer.

        Args:
            tokens: (1, R, C).
            positions: (1, R, C), added where a token asks and is asked.
        """
        placed = tokens + positions
        found, _ = self.self_attn(placed, placed, tokens, need_weights=False)
        tokens = self.norms[0](tokens + self.dropout(found))
        return self.norms[1](self.ffn(tokens))


class MaskRefinement(BaseModule):
    """Features of the middle and the fine stage.

    Args:
        first_channels: of the backbone's map of stride 4.
        feat_channels: C of the encoder, which has to be `first_channels`.
        mask_channels: c.
        width: channels of the finer stages, and of the backbone's first convolution.
        point_limit: most tokens of a frame; of more a random choice is refined.
        num_layers: of the attention among tokens.
        num_heads: of that attention.
        feedforward_channels: hidden channels of a layer.
        dropout: of these layers.
        init_cfg: as any MMEngine module.

    Raises:
        ValueError: the widths differ.
    """

    def __init__(
        self,
        first_channels: int,
        feat_channels: int,
        mask_channels: int,
        width: int = 64,
        point_limit: int = 12000,
        num_layers: int = 3,
        num_heads: int = 4,
        feedforward_channels: int = 2048,
        dropout: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if first_channels != feat_channels:
            raise ValueError(
                f'VMT adds the encoder of {feat_channels} channels (feat_channels) to the '
                f"backbone's map of stride 4, which has {first_channels}: give "
                f'feat_channels={first_channels}, or a backbone whose first map has as many'
            )
        self.point_limit = point_limit
        self.from_fused = nn.Conv2d(feat_channels, feat_channels, 3, padding=1)
        self.reduce = nn.Conv2d(feat_channels, width, 3, padding=1)
        self.project = nn.Conv2d(width, mask_channels, 3, padding=1)
        self.to_fine = nn.Conv2d(width, width, 1)
        self.image = nn.Sequential(
            nn.Conv2d(3, width // 2, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
        )
        self.branches = ModuleList(
            [branch(width, mask_channels + 3, dilation) for dilation in DILATIONS]
        )
        self.layers = ModuleList(
            [TokenLayer(width, num_heads, feedforward_channels, dropout) for _ in range(num_layers)]
        )

    def middle_features(self, first: Tensor, fused: Tensor) -> Tensor:
        """Return (B, 64, h_m, w_m) at stride 4.

        Args:
            first: (B, C, h_m, w_m), the backbone's map, which gets no gradient from here.
            fused: (B, C, h_c, w_c), the encoder's maps in one.
        """
        fused = F.interpolate(self.from_fused(fused).relu(), first.shape[-2:])
        return self.reduce(first.detach() + fused).relu()

    def mask_features(self, middle: Tensor) -> Tensor:
        """Return the mask features (B, c, h_m, w_m) of the middle stage."""
        return self.project(middle).relu()

    def details(self, stem: Tensor, image: Tensor) -> Tensor:
        """Return (B, 64, h, w) of the finest features.

        Args:
            stem: (B, 64, h, w), the backbone's first convolution, which gets no gradient.
            image: (B, 3, h, w).
        """
        return stem.detach() + self.image(image)

    def fine_features(self, middle: Tensor, details: Tensor, band: Tensor) -> Tensor:
        """Return the features (64, h, w) of a frame, refined where masks are incoherent.

        Args:
            middle: (64, h_m, w_m).
            details: (64, h, w).
            band: (h, w), 1 at the edges of masks and 0 elsewhere.
        """
        coarse = self.to_fine(middle[None]).relu()
        features = F.interpolate(coarse, band.shape)[0] + band * details
        places = band.flatten().nonzero().flatten()
        if len(places) > self.point_limit:  # the same ones each time
            generator = torch.Generator().manual_seed(0)
            chosen = torch.randperm(len(places), generator=generator)[: self.point_limit]
            places = places[chosen.to(places.device).sort().values]
        if len(places) == 0:
            return features
        tokens = features.flatten(1)[:, places].T[None]  # (1, R, 64)
        positions = sine_positions(*band.shape, features).flatten(1)[:, places].T[None]
        refined = tokens
        for layer in self.layers:
            refined = layer(refined, positions)
        return features.flatten(1).index_add(1, places, refined[0].T).view_as(features)

    def fine_maps(self, features: Tensor, own: Tensor) -> Tensor:
        """Return the maps (n, c + 3, h, w) that an instance's last convolutions read.

        The first convolution of a branch is linear, so that its share of the common features is
        worked out once for all instances.

        Args:
            features: (64, h, w).
            own: (n, 5, h, w).
        """
        total = 0
        for first, *others in self.branches:
            place = dict(padding=first.padding, dilation=first.dilation)
            x = F.conv2d(features[None], first.weight[:, :-OWN], first.bias, **place)
            x = x + F.conv2d(own, first.weight[:, -OWN:], **place)
            for layer in others:
                x = layer(x)
            total = total + x
        return total


def branch(width: int, out_channels: int, dilation: int) -> nn.Sequential:
    """Return three convolutions, the first of them dilated."""
    return nn.Sequential(
        nn.Conv2d(width + OWN, width // 2, 3, padding=dilation, dilation=dilation),
        nn.ReLU(),
        nn.Conv2d(width // 2, width // 2, 1),
        nn.ReLU(),
        nn.Conv2d(width // 2, out_channels, 1),
        nn.ReLU(),
    )


@torch.no_grad()
def incoherent_region(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (B, h, w), 1 in a band around the edges of any mask (vmt, segmentation.py:381-395).

    Args:
        logits: (B, n, h_m, w_m), of the middle stage.
        size: (h, w).
    """
    covered = (F.interpolate(logits.sigmoid(), size) > 0.5).float().sum(1, keepdim=True)
    return edges(edges(covered.clamp(max=1)))[:, 0]


def edges(region: Tensor) -> Tensor:
    """Return 1 where the Laplacian of (B, 1, h, w) exceeds 0.5 in size, else the Laplacian."""
    kernel = region.new_full((1, 1, 3, 3), -1)
    kernel[..., 1, 1] = 8
    found = F.conv2d(region, kernel, padding=EDGE_DILATION, dilation=EDGE_DILATION)
    return torch.where(found.abs() > 0.5, torch.ones_like(found), found)


def box_masks(boxes: Tensor, size: tuple[int, int], wrap: bool = True) -> Tensor:
    """Return (n, h, w), 1 inside the boxes.

    Args:
        boxes: (n, 4), (x, y, w, h) in cells of the map.
        size: (h, w).
        wrap: a corner at -1 or less counts from the far end, as published (a slice of Python,
            vmt, segmentation.py:714), which leaves most of such boxes empty. False cuts it off.
    """
    corner = boxes[:, :2] - boxes[:, 2:] / 2
    corners = torch.cat([corner, corner + boxes[:, 2:]], dim=1)
    masks = boxes.new_zeros(len(boxes), *size)
    for mask, box in zip(masks, corners.tolist()):
        left, top, right, bottom = (int(x) if wrap else max(int(x), 0) for x in box)
        mask[top:bottom, left:right] = 1
    return masks


def sine_positions(height: int, width: int, like: Tensor) -> Tensor:
    """Return the positions (c, h, w): sines and cosines of the row, then of the column.

    Args:
        height: h.
        width: w.
        like: (c, h, w), features of as many channels.
    """
    half = len(like) // 2
    number = torch.arange(half, dtype=torch.float32, device=like.device)
    period = 10000 ** (2 * (number // 2) / half)
    parts = []
    for side in (height, width):
        place = torch.arange(1, side + 1, dtype=torch.float32, device=like.device)
        angle = place[:, None] / (side + EPS) * 2 * torch.pi / period  # (side, c / 2)
        parts.append(torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], -1).flatten(1))
    rows, columns = parts
    return torch.cat(
        [
            rows.T[:, :, None].expand(-1, -1, width),
            columns.T[:, None].expand(-1, height, -1),
        ]
    ).to(like.dtype)

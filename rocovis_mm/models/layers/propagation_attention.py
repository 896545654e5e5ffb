"""The cross-attention that calibrates a frame's features by past frames (Eq. 3).

B clips, C channels, H heads, h x w the level's resolution, S = h * w cells, M memory frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from rocovis_mm.models.layers.window_attention import (
    TILE,
    WindowPlan,
    distances_from,
    window_attention,
    window_attention_by_kinds,
)

STARTS = ('gate', 'zero', 'full')


class PropagationAttention(BaseModule):
    """``F'_t = CA(F_t, F_{t-1}, F_{t-1} + Z'_{t-1})`` for one stride, with a sense of place.

    Position encodings are added to query and key. The keys of all memory frames are
    concatenated. A frame without a past attends to itself with the background
    vector B as identity everywhere (the paper's E).

    A plain attention does not learn where to look from video alone. Three things
    beside the paper make it learn; each has a switch:

    - a prior of place: head k adds -d^2 / (2 sigma_k^2) to its logits, d the distance of two
      cells, log sigma_k learned;
    - a window: a cell sees the cells of the past at most ``window`` rows and columns away, so
      that the cost grows with the number of cells, not with its square;
    - a learned vector per age, added to the keys, that tells the frames of the memory apart.

    Args:
        embed_dims: channels C.
        num_heads: heads H of the attention.
        memory_frames: M; older frames have the vector of the oldest age.
        prior: whether the logits have the prior of place.
        window: cells that a cell sees in each direction; None sees everywhere.
        ages: whether the keys have the vector of their age.
        start: how F'_t begins. ``gate``: a factor of each channel, zero at first, so that
            a model that is loaded from Mask2Former begins exactly as it. ``zero``: the output
            projection is zero at first, with the same effect. ``full``: neither.

    Attributes:
        exporting: attend to windows by :func:`window_attention_by_kinds`, all tiles at once.

    Raises:
        ValueError: unknown `start`, or a `window` below 1.
    """

    exporting = False

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        memory_frames: int = 1,
        prior: bool = True,
        window: int | None = None,
        ages: bool = True,
        start: str = 'gate',
    ) -> None:
        super().__init__()
        if start not in STARTS:
            raise ValueError(f'propagation start {start!r}: give one of {", ".join(STARTS)}')
        if window is not None and window < 1:
            raise ValueError(f'propagation window={window}: give a number of cells >= 1, or None')
        self.num_heads = num_heads
        self.window = window
        self.start = start
        self.attention = nn.MultiheadAttention(embed_dims, num_heads, batch_first=True)
        self.background = nn.Parameter(torch.empty(embed_dims))
        self.log_width = nn.Parameter(torch.empty(num_heads)) if prior else None
        self.age = nn.Parameter(torch.empty(memory_frames, embed_dims)) if ages else None
        self.gate = nn.Parameter(torch.empty(embed_dims)) if start == 'gate' else None
        self.init_weights()

    def init_weights(self) -> None:
        """Initialise B as an embedding, the widths from 1 to 7.4 cells, and the start."""
        nn.init.normal_(self.background)
        if self.log_width is not None:
            with torch.no_grad():
                self.log_width.copy_(torch.linspace(0, 2, self.num_heads))
        if self.age is not None:
            nn.init.zeros_(self.age)
        nn.init.zeros_(self.attention.out_proj.bias)
        if self.start == 'zero':
            nn.init.zeros_(self.attention.out_proj.weight)
        else:
            nn.init.xavier_uniform_(self.attention.out_proj.weight, gain=OUTPUT_GAIN[self.start])
        if self.gate is not None:
            nn.init.zeros_(self.gate)

    def project(self, index: int, maps: Tensor) -> Tensor:
        """Return queries (0), keys (1) or values (2) as tokens (B, S, C) of (B, C, h, w) maps."""
        weight = self.attention.in_proj_weight.chunk(3)[index]
        return F.linear(tokens(maps), weight, self.attention.in_proj_bias.chunk(3)[index])

    def remember(
        self, features: Tensor, identity: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return key and value (B, S, C) of a frame, which later frames read.

        Args:
            features: (B, C, h, w), uncalibrated F.
            identity: (B, C, h, w), Z'.
            position: (1, C, h, w), encoding of each cell's position.
        """
        return self.project(1, features + position), self.project(2, features + identity)

    def remember_itself(self, features: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """Return key and value of a frame without a past: B is its identity everywhere."""
        everywhere = self.background[:, None, None].expand_as(features)
        return self.remember(features, everywhere, position)

    def forward(
        self,
        current: Tensor,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
        position: Tensor,
        visible: Tensor | None = None,
        plan: WindowPlan | None = None,
    ) -> Tensor:
        """Return F'_t.

        Args:
            current: (B, C, h, w), F_t.
            keys: M tensors (B, S, C) of :meth:`remember`, oldest first; none at frame 0.
            values: M tensors (B, S, C).
            position: (1, C, h, w), encoding of each cell's position.
            visible: (B, M) bool, frames of the past that count; None counts all.
            plan: of the windows for (h, w); None makes one if there is a window.

        Returns:
            (B, C, h, w).
        """
        if not keys:
            keys, values = zip(self.remember_itself(current, position))
        keys = self.with_ages(keys)
        query = self.project(0, current + position)
        size = tuple(current.shape[-2:])
        widths = None if self.log_width is None else self.log_width.exp()
        if self.window is not None:
            plan = plan or self.make_plan(size, current.device)
            arguments = (query, keys, values, self.num_heads, plan, widths, visible)
            if self.exporting:
                attended = window_attention_by_kinds(*arguments, whole=True)
            else:
                attended = window_attention(*arguments)
        else:
            attended = self.attend_everywhere(query, keys, values, size, widths, visible)
        calibrated = self.attention.out_proj(attended)
        if self.gate is not None:
            calibrated = calibrated * self.gate
        return calibrated.transpose(1, 2).unflatten(2, size)

    def make_plan(self, size: tuple[int, int], device: torch.device) -> WindowPlan:
        """Return the plan of the windows for maps of `size` (h, w)."""
        at_test = device.type == 'cpu' and not self.training and not self.exporting
        small = at_test or self.attention.embed_dim <= NARROW
        return WindowPlan.make(size, self.window, device, TILE // 2 if small else TILE)

    def with_ages(self, keys: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the M keys (B, S, C), oldest first, each with the vector of its age."""
        if self.age is None:
            return keys
        oldest = len(self.age) - 1
        return [key + self.age[min(age, oldest)] for age, key in zip(range(len(keys))[::-1], keys)]

    def attend_everywhere(
        self,
        query: Tensor,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
        size: tuple[int, int],
        widths: Tensor | None,
        visible: Tensor | None,
    ) -> Tensor:
        """Return the attention (B, S, C) of all cells to all cells of the memory."""
        mask = None
        if widths is not None:
            every = torch.arange(size[0] * size[1], device=query.device)
            distances = distances_from(every, size)[1]  # (S, S)
            bias = -distances / (2 * widths.square())[:, None, None]
            mask = bias.to(query.dtype).repeat(1, 1, len(keys))[None]  # (1, H, S, M * S)
        if visible is not None:
            hidden = ~visible.repeat_interleave(query.shape[1], dim=1)[:, None, None]
            mask = query.new_zeros(()) if mask is None else mask
            mask = mask.masked_fill(hidden, float('-inf'))
        heads = [
            split_heads(x, self.num_heads)
            for x in (query, torch.cat(tuple(keys), 1), torch.cat(tuple(values), 1))
        ]
        attended = F.scaled_dot_product_attention(*heads, attn_mask=mask)
        return attended.transpose(1, 2).flatten(2)


NARROW = 128
"""Up to so many channels, tiles of half the size take less time (measured on a CPU)."""
OUTPUT_GAIN = dict(gate=1.0, full=0.3)
"""Gain of the output projection at the start: F'_t must not drown F_t without a gate."""


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, S, C) -> (B, H, S, C / H)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def tokens(feature_map: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h * w, C)."""
    return feature_map.flatten(2).transpose(1, 2)

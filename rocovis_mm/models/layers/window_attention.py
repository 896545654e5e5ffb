"""Attention of each cell to a window of cells around the same place in past frames.

B clips, C channels, H heads, h x w a level's resolution, S = h * w cells, M memory frames;
T tiles of t x t cells, R = t + 2 r rows of the region that the cells of a tile see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 8
"""Rows and columns of a tile: larger ones copy less and compute more."""
COPIED_AT_ONCE = 300_000
"""Numbers of the keys that a CPU copies before it attends to them: they fit into its caches."""


@dataclass(frozen=True)
class WindowPlan:
    """Which cells the tiles of one map hold and see; nothing of it is learned.

    Attributes:
        size: (h, w).
        radius: r.
        kinds: of the tiles whose regions the border of the map cuts alike, which follow each other:
            (k, t * t) `cells`, (k, n) `seen` on the map, and (n,), where of R * R they are.
        cells: (T, t * t) long, the cells of each tile; those outside the map repeat its border.
        order: (S,) long, place of each cell among the tiles' T * t * t.
        seen: (T, R * R) long, the cells that a tile sees; S for those outside of the map.
        distances: (t * t, R * R), squared distance in cells; infinite outside the window.
    """

    size: tuple[int, int]
    radius: int
    kinds: tuple[tuple[Tensor, Tensor, Tensor], ...]
    cells: Tensor
    order: Tensor
    seen: Tensor
    distances: Tensor

    @staticmethod
    def make(
        size: tuple[int, int], radius: int, device: torch.device, tile: int = TILE
    ) -> WindowPlan:
        """Return the plan of a map of `size` (h, w) for windows of `radius` cells."""
        height, width = size
        tile = min(tile, max(size))
        cells, inside = regions(size, tile, 0, tile)
        seen, known = regions(size, tile, -radius, tile + 2 * radius)
        cuts, kind, counts = known.unique(dim=0, return_inverse=True, return_counts=True)
        order = kind.argsort(stable=True)
        cells, inside, seen, known = (x[order] for x in (cells, inside, seen, known))
        kinds = zip(*(x.split(counts.tolist()) for x in (cells, seen)), map(torch.where, cuts))
        order = torch.empty(height * width, dtype=torch.long)
        order[cells[inside]] = torch.arange(cells.numel()).view_as(cells)[inside]
        steps = torch.arange(tile)[:, None] - torch.arange(-radius, tile + radius)  # (t, R)
        far = steps.abs() > radius
        squares = steps.square()
        distances = (squares[:, None, :, None] + squares[None, :, None, :]).float()
        distances = distances.masked_fill(far[:, None, :, None] | far[None, :, None, :], math.inf)
        return WindowPlan(
            tuple(size),
            radius,
            tuple((c.to(device), n[:, cut].to(device), cut.to(device)) for c, n, (cut,) in kinds),
            cells.to(device),
            order.to(device),
            seen.masked_fill(~known, height * width).to(device),
            distances.view(tile * tile, -1).to(device),
        )


def regions(size: tuple[int, int], tile: int, first: int, extent: int) -> tuple[Tensor, Tensor]:
    """Return the cells of a square of `extent` rows about each tile, and which are on the map.

    Args:
        size: (h, w).
        tile: rows of a tile.
        first: first row of the square, counted from the tile's own.
        extent: rows of the square.

    Returns:
        (T, extent * extent) long and bool.
    """
    rows, columns = (
        torch.arange(0, side, tile)[:, None] + torch.arange(first, first + extent) for side in size
    )
    height, width = size
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & (
        (columns >= 0) & (columns < width)
    )[None, :, None, :]
    cells = (
        rows.clamp(0, height - 1)[:, None, :, None] * width
        + columns.clamp(0, width - 1)[None, :, None, :]
    )
    return cells.flatten(2).flatten(0, 1), inside.flatten(2).flatten(0, 1)


def distances_from(cells: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return how far the cells of a map are from some of them.

    Args:
        cells: (n,) long.
        size: (h, w).

    Returns:
        (n, S) rows or columns apart, whichever is more, and (n, S) float squared distance.
    """
    every = torch.arange(size[0] * size[1], device=cells.device)
    vertical = (cells[:, None] // size[1] - every // size[1]).abs()
    horizontal = (cells[:, None] % size[1] - every % size[1]).abs()
    return torch.maximum(vertical, horizontal), (vertical.square() + horizontal.square()).float()


def window_attention(
    query: Tensor,
    keys: Sequence[Tensor],
    values: Sequence[Tensor],
    num_heads: int,
    plan: WindowPlan,
    widths: Tensor | None = None,
    visible: Tensor | None = None,
) -> Tensor:
    """Return the attention (B, S, C) of each cell to its window in all frames of the memory.

    All cells of a tile share the region that they see, so that the products are those of
    matrices. Cells outside of the map, and frames that do not count, are hidden by one more
    channel: 1 in each query, far below zero in their keys. So no mask differs from tile to tile.
    A CPU's fused attention has no gradient of a bias, so that widths that learn there, in full
    precision, are in :func:`place_channels` instead.

    Args:
        query: (B, S, C).
        keys: M tensors (B, S, C).
        values: M tensors (B, S, C).
        num_heads: H.
        plan: of the map.
        widths: (H,) standard deviations of the prior of place in cells, or None.
        visible: (B, M) bool, frames that count; None counts all.
    """
    alike = visible is None or len(visible) == 1
    if query.device.type == 'cpu' and alike and not torch.is_grad_enabled():
        return window_attention_by_kinds(query, keys, values, num_heads, plan, widths, visible)
    learned = widths is not None and widths.requires_grad and torch.is_grad_enabled()
    by_channels = (
        learned and query.device.type == 'cpu' and query.dtype in (torch.float32, torch.float64)
    )
    batch, _, channels = query.shape
    frames = len(keys)
    seen, hidden = rows_to_see(query, frames, plan, visible)

    def table(maps: Sequence[Tensor], extra: Tensor) -> Tensor:
        """M maps (B, S, C) and (B, M * S + 1) -> (B, M * S + 1, H * (C / H + 1))."""
        rows = torch.cat([*maps, query.new_zeros(batch, 1, channels)], 1)
        rows = rows.unflatten(-1, (num_heads, -1))
        extra = extra[..., None, None].expand(*rows.shape[:-1], 1)
        return torch.cat([rows, extra], -1).flatten(2)

    def heads(rows: Tensor, wanted: Tensor) -> Tensor:
        """(B, n, H * c) and (t, m) -> (B * t, H, m, c)."""
        rows = rows.index_select(1, wanted.flatten())
        return rows.view(batch * len(wanted), -1, num_heads, head + 1).transpose(1, 2)

    head = channels // num_heads
    width = head + 1 + 3 * by_channels
    # the attention divides by the root of all channels, and torch 2.0 takes no other scale
    query = query * (width / head) ** 0.5
    asking = F.pad(query.unflatten(-1, (num_heads, -1)), (0, 1), value=1.0).flatten(2)
    known, told = table(keys, hidden), table(values, torch.zeros_like(hidden))
    if by_channels:
        bias = window_bias(plan, 1, None, query.dtype)
        place_of_cell, place_of_seen = place_channels(plan, widths, frames)
        place_of_cell = place_of_cell * width**0.5
    else:
        bias = window_bias(plan, num_heads, widths, query.dtype)
    bias = bias.repeat(1, 1, frames)[None]

    q, k, v = heads(asking, plan.cells), heads(known, seen), heads(told, seen)
    if by_channels:
        q = torch.cat([q, place_of_cell.expand(len(q), -1, -1, -1)], -1)
        k = torch.cat([k, place_of_seen.expand(*k.shape[:2], -1, -1)], -1)
        v = F.pad(v, (0, place_of_seen.shape[-1]))
    tiles = F.scaled_dot_product_attention(q, k, v, bias)
    attended = tiles[..., :head].transpose(1, 2).reshape(batch, -1, channels)
    return attended.index_select(1, plan.order)


def rows_to_see(
    query: Tensor, frames: int, plan: WindowPlan, visible: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return which rows of a table of all frames the tiles see, and the rows' channel that hides.

    Args:
        query: (B, S, C).
        frames: M.
        plan: of the map.
        visible: (B, M) bool, frames that count; None counts all.

    Returns:
        (T, M * R * R) long; cells outside of the map are the row M * S. And (B, M * S + 1), 0 or
        `HIDDEN`.
    """
    batch, cells, _ = query.shape
    hidden = query.new_zeros(batch, frames, cells)
    if visible is not None:
        hidden = hidden.masked_fill(~visible[..., None], HIDDEN)
    starts = torch.arange(frames, device=query.device)[:, None] * cells
    seen = plan.seen[:, None] + starts  # (T, M, R * R)
    seen = seen.masked_fill(plan.seen[:, None] == cells, frames * cells)
    return seen.flatten(1), F.pad(hidden.flatten(1), (0, 1), value=HIDDEN)


def place_channels(plan: WindowPlan, widths: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Return channels of queries and keys whose product is the prior of place.

    -|p - q|^2 / (2 s^2) is p . q / s^2 - |q|^2 / (2 s^2), and a term that all keys share and that
    the softmax drops. p and q are the places of a cell and of one that it sees.

    Args:
        plan: of the map.
        widths: (H,) standard deviations s.
        frames: M.

    Returns:
        (H, t * t, 3) and (M * R * R, 3).
    """
    side, extent = (math.isqrt(count) for count in plan.distances.shape)
    tile, region = (
        torch.cartesian_prod(*2 * [torch.arange(rows) - (rows - 1) / 2]) for rows in (side, extent)
    )  # from the same centre
    asked = F.pad(tile, (0, 1), value=-0.5) / widths.square()[:, None, None]
    return asked, torch.cat([region, region.square().sum(1, True)], 1).repeat(frames, 1)


def window_attention_by_kinds(
    query: Tensor,
    keys: Sequence[Tensor],
    values: Sequence[Tensor],
    num_heads: int,
    plan: WindowPlan,
    widths: Tensor | None = None,
    visible: Tensor | None = None,
    whole: bool = False,
) -> Tensor:
    """Return what :func:`window_attention` does, in the form that a CPU runs fastest at test.

    Tiles whose regions are cut alike share a mask, so that no cell outside of the map is copied.
    `visible` is the same for all clips of the batch, (1, M) or None. `whole` attends to all tiles
    of a kind at once, as a file wants it.
    """
    assert visible is None or len(visible) == 1
    batch, cells, channels = query.shape
    known, told = torch.cat(tuple(keys), 1), torch.cat(tuple(values), 1)  # (B, M * S, C)
    starts = torch.arange(len(keys))[:, None] * cells
    bias = window_bias(plan, num_heads, widths, query.dtype)[:, :, None]  # (H, t * t, 1, R * R)
    bias = bias.expand(-1, -1, len(keys), -1)
    if visible is not None:
        bias = bias.masked_fill(~visible[..., None], -math.inf)

    def heads(rows: Tensor, wanted: Tensor) -> Tensor:
        """(B, n, C) and (t, m) -> (B * t, H, m, C / H)."""
        rows = rows.index_select(1, wanted.flatten())
        return rows.view(batch * len(wanted), -1, num_heads, channels // num_heads).transpose(1, 2)

    attended = []
    for inside, near, cut in plan.kinds:
        kept = bias[..., cut].flatten(2)[None]  # (1, H, t * t, M * n)
        seen = (near[:, None] + starts).flatten(1)  # (k, M * n)
        few = max(1, COPIED_AT_ONCE // (batch * seen.shape[1] * channels))
        at_once = len(seen) if whole else few
        for q, k in zip(inside.split(at_once), seen.split(at_once)):
            tiles = F.scaled_dot_product_attention(
                heads(query, q), heads(known, k), heads(told, k), kept
            )
            attended.append(tiles.transpose(1, 2).reshape(batch, -1, channels))
    return torch.cat(attended, 1).index_select(1, plan.order)


def window_bias(
    plan: WindowPlan, num_heads: int, widths: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """Return the prior of place (H, t * t, R * R), minus infinity outside of the window."""
    near = plan.distances.isfinite()
    bias = plan.distances.new_zeros(num_heads, *near.shape)
    if widths is not None:
        squares = plan.distances.masked_fill(~near, 0)
        bias = -squares / (2 * widths.square())[:, None, None]
    return bias.masked_fill(~near, -math.inf).to(dtype)


HIDDEN = -3e4
"""Key's value of hidden cells: finite in half precision, and far below any logit."""

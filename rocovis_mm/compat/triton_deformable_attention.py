"""Multi-scale deformable attention in Triton (Zhu et al. 2021), forward and backward.

It takes the place of mmcv's compiled kernel on CUDA. This file imports Triton, so it is imported
where the kernel is used, see :func:`rocovis_mm.compat.compiled_ops.has_triton_kernel`.

B images, S tokens of all levels, Q queries, H heads, L levels, P points, C channels of a head.
"""

import contextlib
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

QUERIES_AT_ONCE = 32
"""Queries of one program. Each program computes them for one head of one image."""
NOT_SPECIALIZED = ['tokens', 'queries']
"""Arguments whose values do not lead to another compilation, so that all sizes share one."""


@triton.jit
def add(first, second):  # noqa: ANN001, ANN201
    """Return the sum, for ``tl.reduce``."""
    return first + second


@triton.jit
def pixels_at(first, row, column, height, width, reached, HEADS):  # noqa: ANN001, ANN201
    """Return the rows (Q,) of the values of pixels, and whether the pixels exist."""
    known = reached & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return (first + row * width + column) * HEADS, known


@triton.jit
def forward_kernel(  # noqa: ANN201
    value,  # noqa: ANN001
    shapes,  # noqa: ANN001
    starts,  # noqa: ANN001
    locations,  # noqa: ANN001
    weights,  # noqa: ANN001
    out,  # noqa: ANN001
    tokens,  # noqa: ANN001
    queries,  # noqa: ANN001
    HEADS: tl.constexpr,
    LEVELS: tl.constexpr,
    POINTS: tl.constexpr,
    CHANNELS: tl.constexpr,
    FLOAT: tl.constexpr,
    QUERIES: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Sum the bilinear samples of some queries for one head of one image."""
    query = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    image = (tl.program_id(1) // HEADS).to(tl.int64)
    head = tl.program_id(1) % HEADS
    channel = tl.arange(0, WIDTH)[None, :]
    asked, kept = query < queries, channel < CHANNELS
    row = (image * queries + query) * HEADS + head  # of locations, weights and the result
    total = tl.full((QUERIES, WIDTH), 0, FLOAT)
    for level in range(LEVELS):
        height = tl.load(shapes + 2 * level).to(tl.int32)
        width = tl.load(shapes + 2 * level + 1).to(tl.int32)
        first = image * tokens + tl.load(starts + level)
        for point in range(POINTS):
            at = (row * LEVELS + level) * POINTS + point
            weight = tl.load(weights + at, mask=asked, other=0).to(FLOAT)
            x = tl.load(locations + 2 * at, mask=asked, other=-1).to(FLOAT) * width - 0.5
            y = tl.load(locations + 2 * at + 1, mask=asked, other=-1).to(FLOAT) * height - 0.5
            reached = (x > -1) & (x < width) & (y > -1) & (y < height)  # not where NaN
            x, y = tl.where(reached, x, 0), tl.where(reached, y, 0)
            left, top = tl.floor(x).to(tl.int32), tl.floor(y).to(tl.int32)
            x, y = x - left, y - top
            for corner in tl.static_range(4):
                below: tl.constexpr = corner // 2
                right: tl.constexpr = corner % 2
                pixel, known = pixels_at(
                    first, top + below, left + right, height, width, reached, HEADS
                )
                share = weight * (x if right else 1 - x) * (y if below else 1 - y)
                place = (pixel + head)[:, None] * CHANNELS + channel
                values = tl.load(value + place, mask=known[:, None] & kept, other=0).to(FLOAT)
                total += share[:, None] * values
    tl.store(out + row[:, None] * CHANNELS + channel, total, mask=asked[:, None] & kept)


@triton.jit
def backward_kernel(  # noqa: ANN201
    value,  # noqa: ANN001
    shapes,  # noqa: ANN001
    starts,  # noqa: ANN001
    locations,  # noqa: ANN001
    weights,  # noqa: ANN001
    grad_out,  # noqa: ANN001
    grad_value,  # noqa: ANN001
    grad_locations,  # noqa: ANN001
    grad_weights,  # noqa: ANN001
    tokens,  # noqa: ANN001
    queries,  # noqa: ANN001
    HEADS: tl.constexpr,
    LEVELS: tl.constexpr,
    POINTS: tl.constexpr,
    CHANNELS: tl.constexpr,
    FLOAT: tl.constexpr,
    QUERIES: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Compute the gradients of :func:`forward_kernel`; those of the values are added up."""
    query = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    image = (tl.program_id(1) // HEADS).to(tl.int64)
    head = tl.program_id(1) % HEADS
    channel = tl.arange(0, WIDTH)[None, :]
    asked, kept = query < queries, channel < CHANNELS
    row = (image * queries + query) * HEADS + head
    grad = tl.load(
        grad_out + row[:, None] * CHANNELS + channel, mask=asked[:, None] & kept, other=0
    ).to(FLOAT)
    for level in range(LEVELS):
        height = tl.load(shapes + 2 * level).to(tl.int32)
        width = tl.load(shapes + 2 * level + 1).to(tl.int32)
        first = image * tokens + tl.load(starts + level)
        for point in range(POINTS):
            at = (row * LEVELS + level) * POINTS + point
            weight = tl.load(weights + at, mask=asked, other=0).to(FLOAT)
            x = tl.load(locations + 2 * at, mask=asked, other=-1).to(FLOAT) * width - 0.5
            y = tl.load(locations + 2 * at + 1, mask=asked, other=-1).to(FLOAT) * height - 0.5
            reached = (x > -1) & (x < width) & (y > -1) & (y < height)
            x, y = tl.where(reached, x, 0), tl.where(reached, y, 0)
            left, top = tl.floor(x).to(tl.int32), tl.floor(y).to(tl.int32)
            x, y = x - left, y - top
            by_weight = tl.full((QUERIES,), 0, FLOAT)
            by_x, by_y = tl.full((QUERIES,), 0, FLOAT), tl.full((QUERIES,), 0, FLOAT)
            for corner in tl.static_range(4):
                below: tl.constexpr = corner // 2
                right: tl.constexpr = corner % 2
                pixel, known = pixels_at(
                    first, top + below, left + right, height, width, reached, HEADS
                )
                share_x, share_y = (x if right else 1 - x), (y if below else 1 - y)
                place = (pixel + head)[:, None] * CHANNELS + channel
                used = known[:, None] & kept
                values = tl.load(value + place, mask=used, other=0).to(FLOAT)
                alike = tl.reduce(grad * values, 1, add)
                by_weight += alike * share_x * share_y
                by_x += alike * share_y * (1 if right else -1)
                by_y += alike * share_x * (1 if below else -1)
                change = (weight * share_x * share_y)[:, None] * grad
                tl.atomic_add(grad_value + place, change, mask=used, sem='relaxed')
            tl.store(grad_weights + at, by_weight, mask=asked)
            tl.store(grad_locations + 2 * at, by_x * weight * width, mask=asked)
            tl.store(grad_locations + 2 * at + 1, by_y * weight * height, mask=asked)


def launch(kernel: Any, value: Tensor, locations: Tensor, *tensors: Tensor) -> None:
    """Run a kernel over all queries, heads and images.

    Args:
        kernel: takes `tensors`, S, Q and its sizes.
        value: (B, S, H, C).
        locations: (B, Q, H, L, P, 2).
        *tensors: contiguous, on one device.
    """
    batch, tokens, heads, channels = value.shape
    queries, levels, points = locations.shape[1], *locations.shape[3:5]
    on_device = torch.cuda.device(value.device) if value.is_cuda else contextlib.nullcontext()
    with on_device:
        kernel[(triton.cdiv(queries, QUERIES_AT_ONCE), batch * heads)](
            *tensors,
            tokens,
            queries,
            HEADS=heads,
            LEVELS=levels,
            POINTS=points,
            CHANNELS=channels,
            FLOAT=tl.float64 if value.dtype == torch.float64 else tl.float32,
            QUERIES=QUERIES_AT_ONCE,
            WIDTH=triton.next_power_of_2(channels),
        )


@torch.library.custom_op('rocovis_mm::deformable_attention', mutates_args=())
def deformable_attention(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor
) -> Tensor:
    """Return the weighted sum of bilinear samples of all levels, zeros outside of them.

    As ``mmcv.ops.multi_scale_deformable_attn_pytorch``. Sums are in float32, or float64 where
    the values are. The gradient of the values is a sum in any order, so it is not reproducible
    to the last bit.

    Args:
        value: (B, S, H, C) float.
        shapes: (L, 2) long, height and width of each level.
        starts: (L,) long, first token of each level.
        locations: (B, Q, H, L, P, 2) float, (x, y) in [0, 1] of the level.
        weights: (B, Q, H, L, P) float.

    Returns:
        (B, Q, H * C) of the type of `value`.
    """
    batch, queries, heads = locations.shape[:3]
    out = value.new_empty(batch, queries, heads * value.shape[-1])
    tensors = [x.contiguous() for x in (value, shapes, starts, locations, weights)]
    launch(forward_kernel, value, locations, *tensors, out)
    return out


@torch.library.custom_op('rocovis_mm::deformable_attention_backward', mutates_args=())
def deformable_attention_backward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    weights: Tensor,
    grad_out: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of value, locations and weights, each of the type of its tensor."""
    exact = torch.float64 if value.dtype == torch.float64 else torch.float32
    grad_value = torch.zeros(value.shape, dtype=exact, device=value.device)
    grad_locations = torch.empty(locations.shape, dtype=locations.dtype, device=value.device)
    grad_weights = torch.empty(weights.shape, dtype=weights.dtype, device=value.device)
    tensors = [x.contiguous() for x in (value, shapes, starts, locations, weights, grad_out)]
    grads = (grad_value, grad_locations, grad_weights)
    launch(backward_kernel, value, locations, *tensors, *grads)
    return grad_value.to(value.dtype), grad_locations, grad_weights


@deformable_attention.register_fake
def _(value, shapes, starts, locations, weights):  # noqa: ANN001, ANN202
    heads = value.shape[2] * value.shape[3]
    return value.new_empty(value.shape[0], locations.shape[1], heads)


@deformable_attention_backward.register_fake
def _(value, shapes, starts, locations, weights, grad_out):  # noqa: ANN001, ANN202
    return tuple(x.new_empty(x.shape) for x in (value, locations, weights))


def save_inputs(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """Keep what the gradients need."""
    ctx.save_for_backward(*inputs)


def gradients(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradient of each argument of :func:`deformable_attention`."""
    value, locations, weights = deformable_attention_backward(*ctx.saved_tensors, grad_out)
    return value, None, None, locations, weights


deformable_attention.register_autograd(gradients, setup_context=save_inputs)

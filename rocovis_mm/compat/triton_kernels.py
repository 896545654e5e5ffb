"""Kernels of multi-scale deformable attention in Triton (Zhu et al. 2021).

Each program computes some queries for one head of one image. Memory is contiguous:

- value (B, S, H, C), shapes (L, 2) and starts (L,) long, locations (B, Q, H, L, P, 2)
- weights (B, Q, H, L, P), out (B, Q, H, C)

B images, S tokens of all levels, Q queries, H heads, L levels, P points, C channels of a head.
"""

import triton
import triton.language as tl


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
def sample_at(  # noqa: ANN201
    locations,  # noqa: ANN001
    weights,  # noqa: ANN001
    at,  # noqa: ANN001
    asked,  # noqa: ANN001
    height,  # noqa: ANN001
    width,  # noqa: ANN001
    FLOAT: tl.constexpr,
):
    """Return weight, top left pixel, place within it and whether a sample reaches the map."""
    weight = tl.load(weights + at, mask=asked, other=0).to(FLOAT)
    x = tl.load(locations + 2 * at, mask=asked, other=-1).to(FLOAT) * width - 0.5
    y = tl.load(locations + 2 * at + 1, mask=asked, other=-1).to(FLOAT) * height - 0.5
    reached = (x > -1) & (x < width) & (y > -1) & (y < height)  # not where NaN
    x, y = tl.where(reached, x, 0), tl.where(reached, y, 0)
    left, top = tl.floor(x).to(tl.int32), tl.floor(y).to(tl.int32)
    return weight, left, top, x - left, y - top, reached


@triton.jit(do_not_specialize=['tokens', 'queries'])  # all sizes share one compilation
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
            weight, left, top, x, y, reached = sample_at(
                locations, weights, at, asked, height, width, FLOAT
            )
            for corner in tl.static_range(4):
                pixel, known = pixels_at(
                    first, top + corner // 2, left + corner % 2, height, width, reached, HEADS
                )
                share = weight * (x if corner % 2 else 1 - x) * (y if corner // 2 else 1 - y)
                place = (pixel + head)[:, None] * CHANNELS + channel
                values = tl.load(value + place, mask=known[:, None] & kept, other=0).to(FLOAT)
                total += share[:, None] * values
    tl.store(out + row[:, None] * CHANNELS + channel, total, mask=asked[:, None] & kept)


@triton.jit(do_not_specialize=['tokens', 'queries'])
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
            weight, left, top, x, y, reached = sample_at(
                locations, weights, at, asked, height, width, FLOAT
            )
            by_weight = tl.full((QUERIES,), 0, FLOAT)
            by_x, by_y = tl.full((QUERIES,), 0, FLOAT), tl.full((QUERIES,), 0, FLOAT)
            for corner in tl.static_range(4):
                pixel, known = pixels_at(
                    first, top + corner // 2, left + corner % 2, height, width, reached, HEADS
                )
                share_x = x if corner % 2 else 1 - x
                share_y = y if corner // 2 else 1 - y
                place = (pixel + head)[:, None] * CHANNELS + channel
                used = known[:, None] & kept
                values = tl.load(value + place, mask=used, other=0).to(FLOAT)
                alike = tl.reduce(grad * values, 1, add)
                by_weight += alike * share_x * share_y
                by_x += alike * share_y * (1 if corner % 2 else -1)
                by_y += alike * share_x * (1 if corner // 2 else -1)
                change = (weight * share_x * share_y)[:, None] * grad
                tl.atomic_add(grad_value + place, change, mask=used, sem='relaxed')
            tl.store(grad_weights + at, by_weight, mask=asked)
            tl.store(grad_locations + 2 * at, by_x * weight * width, mask=asked)
            tl.store(grad_locations + 2 * at + 1, by_y * weight * height, mask=asked)

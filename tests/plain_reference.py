"""The equations of the paper as plain loops over numpy arrays, for the tests to compare with.

Nothing here is shared with the package. B clips, N queries, C channels, h x w pixels.
"""

from __future__ import annotations

import math

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def softmax(x: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    e = np.exp(np.asarray(x, np.float64) - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def axis_weights(source: int, target: int) -> np.ndarray:
    """(target, source) weights of linear interpolation between pixel centres."""
    weights = np.zeros((target, source))
    for i in range(target):
        place = (i + 0.5) * source / target - 0.5
        place = min(max(place, 0.0), source - 1.0)
        low = int(math.floor(place))
        high = min(low + 1, source - 1)
        weights[i, low] += 1 - (place - low)
        weights[i, high] += place - low
    return weights


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (..., h, w) bilinearly, pixel centres aligned, no antialiasing."""
    rows = axis_weights(image.shape[-2], size[0])
    columns = axis_weights(image.shape[-1], size[1])
    return rows @ np.asarray(image, np.float64) @ columns.T


def propagated_masks(
    mask_logits: np.ndarray, keep: np.ndarray, size: tuple[int, int], pooling: str = 'max'
):
    """M as probabilities at a level: sigmoid, times keep, brought to the level's size."""
    probabilities = sigmoid(mask_logits) * keep[..., None, None]
    return resize(probabilities, size) if pooling == 'bilinear' else max_pool(probabilities, size)


def max_pool(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The maximum of (..., h, w) in each of H x W cells; they may overlap."""
    bounds = [
        [(math.floor(i * n / m), math.ceil((i + 1) * n / m)) for i in range(m)]
        for n, m in zip(image.shape[-2:], size)
    ]
    return np.stack(
        [
            np.stack([image[..., y0:y1, x0:x1].max((-2, -1)) for x0, x1 in bounds[1]], -1)
            for y0, y1 in bounds[0]
        ],
        -2,
    )


def spatial_identity(queries, probabilities, background, soft=False) -> np.ndarray:
    """Eq. 2 pixel by pixel: Z' (B, C, h, w) of queries (B, N, C), masks (B, N, h, w)."""
    batch, number, channels = queries.shape
    height, width = probabilities.shape[-2:]
    z = np.zeros((batch, channels, height, width))
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                covered = 0.0
                for n in range(number):
                    p = float(probabilities[b, n, y, x])
                    m = p if soft else float(p > 0.5)
                    covered = max(covered, m)
                    for c in range(channels):
                        z[b, c, y, x] += queries[b, n, c] * m
                for c in range(channels):
                    z[b, c, y, x] += background[c] * (1 - covered)
    return z


def flatten(feature_map: np.ndarray) -> np.ndarray:
    """(C, h, w) -> (h*w, C), row by row."""
    channels, height, width = feature_map.shape
    return np.array([feature_map[:, y, x] for y in range(height) for x in range(width)])


def attention(
    query,
    key,
    value,
    weights: dict[str, np.ndarray],
    heads: int,
    bias: np.ndarray | None = None,
    key_offset: np.ndarray | None = None,
) -> np.ndarray:
    """Multi-head attention of (n, C) queries over (m, C) keys and values, by loops.

    `bias` (heads, n, m) is added to the logits, `key_offset` (m, C) to the projected keys.
    """
    channels = query.shape[1]
    w, b = weights['in_proj_weight'], weights['in_proj_bias']
    q = query @ w[:channels].T + b[:channels]
    k = key @ w[channels : 2 * channels].T + b[channels : 2 * channels]
    v = value @ w[2 * channels :].T + b[2 * channels :]
    if key_offset is not None:
        k = k + key_offset
    size = channels // heads
    out = np.zeros_like(q)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(len(q)):
            scores = [q[i, part] @ k[j, part] / math.sqrt(size) for j in range(len(k))]
            if bias is not None:
                scores = [score + bias[head, i, j] for j, score in enumerate(scores)]
            total = sum(math.exp(s - max(scores)) for s in scores)
            for j, score in enumerate(scores):
                out[i, part] += math.exp(score - max(scores)) / total * v[j, part]
    return out @ weights['out_proj.weight'].T + weights['out_proj.bias']


def place_bias(size, frames: int, heads: int, widths=None, window=None) -> np.ndarray:
    """(heads, h*w, frames*h*w): -d^2 / (2 width^2), minus infinity outside of the window."""
    cells = [(y, x) for y in range(size[0]) for x in range(size[1])]
    bias = np.zeros((heads, len(cells), len(cells)))
    for i, (y, x) in enumerate(cells):
        for j, (v, u) in enumerate(cells):
            if window is not None and max(abs(y - v), abs(x - u)) > window:
                bias[:, i, j] = -math.inf
            elif widths is not None:
                bias[:, i, j] = -((y - v) ** 2 + (x - u) ** 2) / (2 * np.asarray(widths) ** 2)
    return np.concatenate([bias] * frames, -1)


def calibration(
    current,
    past,
    position,
    background,
    weights,
    heads,
    widths=None,
    window=None,
    ages=None,
    gate=1.0,
) -> np.ndarray:
    """F'_t of Eq. 3 for one clip.

    Args:
        current: (C, h, w), F_t.
        past: list of (F, Z') of remembered frames, each (C, h, w).
        position: (C, h, w).
        background: (C,), B, which is the whole identity of a frame without a past.
        widths: (heads,) in cells, of the prior of place.
        window: cells seen in each direction.
        ages: (M, C), added to the projected keys of the newest frame, the one before it, ...
        gate: (C,), factor of the result.
    """
    if not past:
        everywhere = np.zeros_like(current) + background[:, None, None]
        past = [(current, everywhere)]
    key = np.concatenate([flatten(f + position) for f, _ in past])
    value = np.concatenate([flatten(f + z) for f, z in past])
    size, number = current.shape[-2:], len(past)
    offset = None
    if ages is not None:
        rows = [ages[min(number - 1 - i, len(ages) - 1)] for i in range(number)]
        offset = np.repeat(rows, size[0] * size[1], axis=0)
    bias = place_bias(size, number, heads, widths, window)
    out = attention(flatten(current + position), key, value, weights, heads, bias, offset)
    return (out * gate).T.reshape(current.shape)


def calibration_options(module) -> dict:
    """What `calibration` needs to know of a propagation attention."""
    arrays = {k: v.detach().numpy() for k, v in module.named_parameters()}
    return dict(
        background=arrays['background'],
        weights={k.removeprefix('attention.'): v for k, v in arrays.items() if 'attention' in k},
        heads=module.num_heads,
        widths=np.exp(arrays['log_width']) if 'log_width' in arrays else None,
        window=module.window,
        ages=arrays.get('age'),
        gate=arrays.get('gate', 1.0),
    )


def bce(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Binary cross entropy, element by element."""
    p = sigmoid(logits)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def dice(logits: np.ndarray, target: np.ndarray, eps: float = 1.0) -> float:
    """Dice loss of one mask with the naive (first power) denominator."""
    p = sigmoid(logits)
    return 1 - (2 * (p * target).sum() + eps) / (p.sum() + target.sum() + eps)

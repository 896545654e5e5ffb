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


def propagated_masks(mask_logits: np.ndarray, keep: np.ndarray, size: tuple[int, int]):
    """M as probabilities at a level: sigmoid, times keep, brought to the level's size."""
    return resize(sigmoid(mask_logits) * keep[..., None, None], size)


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


def attention(query, key, value, weights: dict[str, np.ndarray], heads: int) -> np.ndarray:
    """Multi-head attention of (n, C) queries over (m, C) keys and values, by loops."""
    channels = query.shape[1]
    w, b = weights['in_proj_weight'], weights['in_proj_bias']
    q = query @ w[:channels].T + b[:channels]
    k = key @ w[channels : 2 * channels].T + b[channels : 2 * channels]
    v = value @ w[2 * channels :].T + b[2 * channels :]
    size = channels // heads
    out = np.zeros_like(q)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(len(q)):
            scores = [q[i, part] @ k[j, part] / math.sqrt(size) for j in range(len(k))]
            total = sum(math.exp(s - max(scores)) for s in scores)
            for j, score in enumerate(scores):
                out[i, part] += math.exp(score - max(scores)) / total * v[j, part]
    return out @ weights['out_proj.weight'].T + weights['out_proj.bias']


def calibration(current, past, position, background, weights, heads) -> np.ndarray:
    """F'_t of Eq. 3 for one clip.

    Args:
        current: (C, h, w), F_t.
        past: list of (F, Z') of remembered frames, each (C, h, w).
        position: (C, h, w).
        background: (C,), B, which is the whole identity of a frame without a past.
    """
    if not past:
        everywhere = np.zeros_like(current) + background[:, None, None]
        past = [(current, everywhere)]
    key = np.concatenate([flatten(f + position) for f, _ in past])
    value = np.concatenate([flatten(f + z) for f, z in past])
    out = attention(flatten(current + position), key, value, weights, heads)
    return out.T.reshape(current.shape)


def bce(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Binary cross entropy, element by element."""
    p = sigmoid(logits)
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def dice(logits: np.ndarray, target: np.ndarray, eps: float = 1.0) -> float:
    """Dice loss of one mask with the naive (first power) denominator."""
    p = sigmoid(logits)
    return 1 - (2 * (p * target).sum() + eps) / (p.sum() + target.sum() + eps)

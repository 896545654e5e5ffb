"""Degradation of short runs of frames, which then show almost nothing by themselves.

Letters: T frames · H, W height and width.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

RUN_LENGTHS = (1, 2, 3)
INTACT_STARTS = 2
"""Number of first frames that are never degraded, so that each degraded frame has a past."""
SHARE = 0.27
"""Share of degraded frames in the videos that have any."""
DEGRADED_VIDEOS = 0.92
"""Share of the videos that have degraded frames."""


def plan_degradation(rng: np.random.Generator, num_frames: int) -> list[str | None]:
    """Return the degradation of each frame, or None for an intact frame.

    Each run of `RUN_LENGTHS` frames is degraded in one way. At least one intact frame is between
    two runs.
    """
    plan: list[str | None] = [None] * num_frames
    if rng.random() >= DEGRADED_VIDEOS:
        return plan
    wanted = max(1, round(SHARE * num_frames))
    for _ in range(50):  # draws; some would touch another run
        missing = wanted - sum(way is not None for way in plan)
        if not missing:
            break
        length = min(int(rng.choice(RUN_LENGTHS)), missing)
        start = int(rng.integers(INTACT_STARTS, max(num_frames - length, INTACT_STARTS) + 1))
        if any(plan[max(start - 1, 0) : start + length + 1]):
            continue
        way = str(rng.choice(list(WAYS)))
        for t in range(start, min(start + length, num_frames)):
            plan[t] = way
    return plan


def degrade_frames(
    rng: np.random.Generator, frames: np.ndarray, plan: list[str | None]
) -> np.ndarray:
    """Return a copy of frames (T, H, W, 3) uint8 with those of `plan` degraded."""
    degraded = frames.copy()
    for frame, way in zip(degraded, plan):
        if way is not None:
            frame[:] = WAYS[way](rng, frame)
    return degraded


def fade(rng: np.random.Generator, frame: np.ndarray) -> np.ndarray:
    """Lower the contrast to between an eighth and a fifth, and add stronger noise."""
    gray = frame.mean()
    noise = rng.normal(0, rng.uniform(9, 13), frame.shape)
    faded = gray + rng.uniform(0.12, 0.2) * (frame - gray) + noise
    return faded.round().clip(0, 255).astype(np.uint8)


def blur(rng: np.random.Generator, frame: np.ndarray) -> np.ndarray:
    """Blur by a large part of an object's size, and add some noise."""
    sigma = rng.uniform(0.05, 0.075) * len(frame)
    blurred = cv2.GaussianBlur(frame, (0, 0), sigma).astype(np.float32)
    blurred = blurred.mean() + rng.uniform(0.4, 0.6) * (blurred - blurred.mean())
    noisy = blurred + rng.normal(0, 6, frame.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def lose_blocks(rng: np.random.Generator, frame: np.ndarray) -> np.ndarray:
    """Replace three fifths of the frame's square blocks by gray or by other blocks."""
    side = max(4, len(frame) // 8)
    lost = frame.copy()
    rows, columns = (-(-length // side) for length in frame.shape[:2])
    for row, column in np.argwhere(rng.random((rows, columns)) < 0.6):
        block = lost[row * side : (row + 1) * side, column * side : (column + 1) * side]
        if rng.random() < 0.5:
            block[:] = rng.integers(60, 150)
            continue
        y, x = rng.integers(0, np.array(frame.shape[:2]) - block.shape[:2] + 1)
        block[:] = frame[y : y + block.shape[0], x : x + block.shape[1]]
    return lost


def compress(rng: np.random.Generator, frame: np.ndarray) -> np.ndarray:
    """Compress a small copy of the frame so strongly that only squares remain."""
    height, width = frame.shape[:2]
    small = cv2.resize(
        frame, (max(width // 2, 8), max(height // 2, 8)), interpolation=cv2.INTER_AREA
    )
    code = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(2, 6))])[1]
    read = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return cv2.resize(read, (width, height), interpolation=cv2.INTER_NEAREST)


WAYS: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = dict(
    fade=fade, blur=blur, lose_blocks=lose_blocks, compress=compress
)

"""Conversion of frames from cameras, files and arrays to BGR uint8."""

from __future__ import annotations

import cv2
import numpy as np


def as_bgr(frame: np.ndarray | None, name: str = 'the frame') -> np.ndarray:
    """Return a frame as OpenCV reads images: BGR, uint8, no transparency.

    Grey becomes three equal channels, a fourth channel is dropped, and of 16 bits the
    higher eight count, as OpenCV reads such PNGs.

    Args:
        frame: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA; uint8 or uint16.
        name: used in messages.

    Returns:
        (H, W, 3) uint8; `frame` itself where it needs no change.

    Raises:
        ValueError: it is anything else, or empty.
    """
    if not isinstance(frame, np.ndarray):
        raise ValueError(
            f'{name} is {type(frame).__name__}, not an image; give numpy arrays (H, W, 3), BGR'
        )
    if frame.ndim not in (2, 3) or (frame.ndim == 3 and frame.shape[2] not in (1, 3, 4)):
        raise ValueError(
            f'{name} has shape {frame.shape}; give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)'
        )
    if frame.size == 0:
        raise ValueError(f'{name} is empty, its shape is {frame.shape}')
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    if frame.dtype != np.uint8:
        raise ValueError(
            f'{name} is of type {frame.dtype}; give uint8 in 0..255, or uint16 in 0..65535'
        )
    if frame.ndim == 2 or frame.shape[2] == 1:
        return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(frame[..., :3])

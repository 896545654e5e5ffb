"""Masks, contours and captions over one frame; n instances, H x W pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rocovis_mm.visualization.palette import identity_color

INK = (17, 20, 24)
PAPER = (255, 255, 255)
DISPLAY_HEIGHT = 384
"""Frames lower than this are enlarged, so that contours and captions can be read."""


def display_scale(height: int, wanted: int = DISPLAY_HEIGHT) -> int:
    """Return the whole number that brings a frame of `height` rows nearest to `wanted`."""
    return max(1, round(wanted / height))


def enlarge(image: np.ndarray, scale: int) -> np.ndarray:
    """Return an (H, W, 3) uint8 image, `scale` times as large, smooth."""
    if scale == 1:
        return image.copy()
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def draw_overlay(
    image: np.ndarray,
    masks: np.ndarray,
    identities: Sequence[int],
    captions: Sequence[str] | None = None,
    scale: int | None = None,
    alpha: float = 0.45,
) -> np.ndarray:
    """Draw instances over a frame, each in the colour of its identity.

    Args:
        image: (H, W, 3) uint8, RGB.
        masks: (n, H, W) bool.
        identities: n whole numbers.
        captions: n texts; "" draws none.
        scale: whole number to enlarge by; chosen by the frame's height if None.
        alpha: share of colour in a mask.

    Returns:
        (scale * H, scale * W, 3) uint8, RGB; the inputs are left as they are.
    """
    masks = np.asarray(masks, dtype=bool).reshape(-1, *image.shape[:2])
    if len(masks) != len(identities):
        raise ValueError(f'{len(masks)} masks for {len(identities)} identities')
    scale = scale or display_scale(image.shape[0])
    canvas = enlarge(image, scale)
    order = np.argsort(-masks.sum((1, 2)), kind='stable')  # small ones on top
    shapes = [enlarge_mask(mask, scale) for mask in masks]
    for n in order:
        fill(canvas, shapes[n], identity_color(identities[n]), alpha)
    for n in order:
        outline(canvas, shapes[n], identity_color(identities[n]))
    if captions is None:
        return canvas
    colors = [identity_color(identity) for identity in identities]
    return write_captions(canvas, shapes, captions, colors)


def enlarge_mask(mask: np.ndarray, scale: int) -> np.ndarray:
    """Return an (H, W) bool mask, `scale` times as large, its edge without stairs."""
    if scale == 1:
        return mask
    soft = cv2.resize(
        mask.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC
    )
    return cv2.GaussianBlur(soft, (0, 0), 0.5 * scale) > 0.5


def fill(canvas: np.ndarray, mask: np.ndarray, color: tuple[int, int, int], alpha: float) -> None:
    """Blend a colour into the pixels of an (H, W) bool mask, in place."""
    blended = (1 - alpha) * canvas[mask] + alpha * np.array(color, dtype=np.float32)
    canvas[mask] = blended.round().astype(np.uint8)


def outline(canvas: np.ndarray, mask: np.ndarray, color: tuple[int, int, int]) -> None:
    """Draw the contours of an (H, W) bool mask with a thin dark rim, in place."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    width = max(2, round(min(canvas.shape[:2]) / 190))
    cv2.drawContours(canvas, contours, -1, INK, width + 2, cv2.LINE_AA)
    cv2.drawContours(canvas, contours, -1, color, width, cv2.LINE_AA)


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the sans-serif font that comes with matplotlib."""
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', name)), size)


def write_captions(
    canvas: np.ndarray,
    masks: Sequence[np.ndarray],
    captions: Sequence[str],
    colors: Sequence[tuple[int, int, int]],
) -> np.ndarray:
    """Write a caption on each (H, W) mask, in a chip of its colour; none cover each other."""
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    type_size = max(12, round(canvas.shape[0] / 28))
    taken: list[tuple[int, int, int, int]] = []
    for mask, caption, color in zip(masks, captions, colors):
        if not caption or not mask.any():
            continue
        wide = int(pen.textlength(caption, font(type_size))) + type_size
        box = place_chip(mask, wide, round(1.5 * type_size), taken)
        taken.append(box)
        pen.rounded_rectangle(box, radius=type_size // 3, fill=color, outline=INK)
        light = np.dot(color, (0.299, 0.587, 0.114)) > 110
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        pen.text(middle, caption, INK if light else PAPER, font(type_size), anchor='mm')
    return np.asarray(picture).copy()


def place_chip(
    mask: np.ndarray, wide: int, high: int, taken: Sequence[tuple[int, int, int, int]]
) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of a chip just above a mask, inside the frame.

    Where another chip lies already, it goes to the nearest free height.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = mask.shape
    left = int(np.clip((columns[0] + columns[-1] - wide) // 2, 0, max(0, width - wide - 1)))
    wanted = int(np.clip(rows[0] - high - 3, 0, max(0, height - high - 1)))
    tops = sorted(range(0, max(1, height - high), 2), key=lambda top: abs(top - wanted))
    for top in [wanted, *tops]:
        box = (left, top, left + wide, top + high)
        if not any(meet(box, other) for other in taken):
            return box
    return (left, wanted, left + wide, wanted + high)


def meet(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    """Whether two boxes share a pixel."""
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]

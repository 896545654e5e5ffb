"""Masks, contours and captions over one frame; n instances, H x W pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain

import cv2
import numpy as np
from PIL import Image, ImageDraw

from rocovis_mm.formats.boxes import Box, bounding_box
from rocovis_mm.visualization.fonts import draw_text, readable, text_width
from rocovis_mm.visualization.geometry import line_width, meet
from rocovis_mm.visualization.palette import INK, PAPER, identity_color
from rocovis_mm.visualization.trails import Trails

DISPLAY_HEIGHT = 384
"""Frames lower than this are enlarged, so that contours and captions can be read."""


def display_scale(height: int, wanted: int = DISPLAY_HEIGHT) -> int:
    """Return the whole number that brings a frame of `height` rows nearest to `wanted`."""
    return max(1, round(wanted / height))


def draw_overlay(
    image: np.ndarray,
    masks: np.ndarray,
    identities: Sequence[int],
    captions: Sequence[str] | None = None,
    scale: int | None = None,
    alpha: float = 0.45,
    trails: Trails | None = None,
) -> np.ndarray:
    """Draw instances over a frame, each in the colour of its identity.

    Args:
        image: (H, W, 3) uint8, RGB.
        masks: (n, H, W) bool.
        identities: n whole numbers.
        captions: n texts; "" draws none.
        scale: whole number to enlarge by; chosen by the frame's height if None.
        alpha: share of colour in a mask.
        trails: of the identities, drawn above masks and below captions.

    Returns:
        (scale * H, scale * W, 3) uint8, RGB; the inputs are left as they are.
    """
    masks = np.asarray(masks, dtype=bool).reshape(-1, *image.shape[:2])
    if len(masks) != len(identities):
        raise ValueError(f'{len(masks)} masks for {len(identities)} identities')
    scale = scale or display_scale(image.shape[0])
    enlarged = dict(fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    canvas = image.copy() if scale == 1 else cv2.resize(image, None, **enlarged)
    shapes = [enlarge_mask(mask, scale) for mask in masks]
    boxes = [bounding_box(shape) for shape in shapes]
    seen = [n for n, box in enumerate(boxes) if box is not None]
    seen.sort(key=lambda n: -np.count_nonzero(masks[n]))  # small ones on top
    colors = [identity_color(identity) for identity in identities]
    for n in seen:
        fill(canvas, shapes[n], boxes[n], colors[n], alpha)
    for n in seen:
        outline(canvas, shapes[n], boxes[n], colors[n])
    if trails is not None:
        trails.draw(canvas)
    written = sorted(n for n in seen if captions and captions[n])
    write_captions(canvas, [(boxes[n], captions[n], colors[n]) for n in written])
    return canvas


def instance_caption(
    label: int | None, identity: int, score: float | None, classes: Sequence[str] = ()
) -> str:
    """Return the caption of an instance: class, identity and score, as far as known."""
    words = [f'#{identity}']
    if label is not None:
        named = 0 <= label < len(classes)
        words.insert(0, readable(classes[label], str(label)) if named else str(label))
    if score is not None:
        words.append(f'{score:.2f}')
    return ' '.join(words)


def enlarge_mask(mask: np.ndarray, scale: int) -> np.ndarray:
    """Return an (H, W) bool mask, `scale` times as large, its edge without stairs."""
    if scale == 1:
        return mask
    soft = cv2.resize(
        mask.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC
    )
    return cv2.GaussianBlur(soft, (0, 0), 0.5 * scale) > 0.5


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an (H, W) mask brought to (height, width), as bool."""
    if mask.shape == tuple(size):
        return mask.astype(bool)
    whole = 255 * mask.astype(np.uint8)
    return cv2.resize(whole, size[::-1], interpolation=cv2.INTER_AREA) > 127


def fill(
    canvas: np.ndarray, mask: np.ndarray, box: Box, color: tuple[int, int, int], alpha: float
) -> None:
    """Blend a colour into the pixels of an (H, W) bool mask inside a box, in place."""
    under = box.cut(canvas)
    blended = cv2.LUT(np.ascontiguousarray(under), blend_table(color, alpha))
    np.copyto(under, blended, where=box.cut(mask)[..., None])


@cache
def blend_table(color: tuple[int, int, int], alpha: float) -> np.ndarray:
    """Return (1, 256, 3) uint8, the blend of each value of each channel with a colour."""
    values = np.arange(256)[None, :, None]
    return ((1 - alpha) * values + alpha * np.array(color)).round().astype(np.uint8)


def outline(canvas: np.ndarray, mask: np.ndarray, box: Box, color: tuple[int, int, int]) -> None:
    """Draw the contours of an (H, W) bool mask with a thin dark rim, in place."""
    inside = np.ascontiguousarray(box.cut(mask)).view(np.uint8)
    contours, _ = cv2.findContours(
        inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(box.left, box.top)
    )
    width = line_width(canvas)
    cv2.drawContours(canvas, contours, -1, INK, width + 2, cv2.LINE_AA)
    cv2.drawContours(canvas, contours, -1, color, width, cv2.LINE_AA)


def write_captions(
    canvas: np.ndarray, chips: Sequence[tuple[Box, str, tuple[int, int, int]]]
) -> None:
    """Write a caption on each box, in a chip of its colour, in place. No chip covers another."""
    type_size = max(12, round(canvas.shape[0] / 28))
    taken: list[Box] = []
    for anchor, caption, color in chips:
        wide = int(text_width(caption, type_size)) + type_size
        high = round(1.5 * type_size)
        box = place_chip(anchor, canvas.shape[:2], wide, high, taken)
        taken.append(box)
        under = box._replace(right=box.right + 1, bottom=box.bottom + 1).cut(canvas)
        chip = Image.fromarray(np.ascontiguousarray(under))
        pen = ImageDraw.Draw(chip)
        pen.rounded_rectangle((0, 0, wide, high), radius=type_size // 3, fill=color, outline=INK)
        light = np.dot(color, (0.299, 0.587, 0.114)) > 110
        ink = INK if light else PAPER
        draw_text(pen, (wide / 2, high / 2), caption, ink, type_size, centred=True)
        under[:] = np.asarray(chip)


def place_chip(
    anchor: Box, frame: tuple[int, int], wide: int, high: int, taken: Sequence[Box]
) -> Box:
    """Return the box of a chip just above a box, inside the frame of (height, width).

    Where another chip is already, it goes to the nearest free height.
    """
    height, width = frame
    left = int(np.clip((anchor.left + anchor.right - 1 - wide) // 2, 0, max(0, width - wide - 1)))
    wanted = int(np.clip(anchor.top - high - 3, 0, max(0, height - high - 1)))
    others = range(0, max(1, height - high), 2)
    for top in chain((wanted,), nearest(others, wanted)):
        box = Box(left, top, left + wide, top + high)
        if not any(meet(box, other) for other in taken):
            return box
    return Box(left, wanted, left + wide, wanted + high)


def nearest(values: Iterable[int], wanted: int) -> Iterator[int]:
    """Yield values, those nearest to the wanted one first; sorted at the first use."""
    yield from sorted(values, key=lambda value: abs(value - wanted))

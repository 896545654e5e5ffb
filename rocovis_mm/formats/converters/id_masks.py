"""Masks whose pixels hold object ids -> the tracks of a video.

Letters: T frames of the video · H, W height and width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from pycocotools import mask as mask_utils

from rocovis_mm.formats.frame_files import count_frames, read_header, refuse_several
from rocovis_mm.formats.run_lengths import difference, encode_mask

INDEXED_MODES = ('1', 'L', 'P', 'I', 'I;16', 'I;16B', 'I;16L')
"""Pillow's names of images with one number per pixel."""

MANY = 1 << 16
"""Bound of the numbers that are counted by an array."""


@contextmanager
def readable(path: str | Path, remedy: str = 'extract it again') -> Iterator[None]:
    """Raise a ValueError that names path and remedy where Pillow cannot read an image."""
    try:
        yield
    except (OSError, SyntaxError) as error:  # Pillow raises the latter for broken PNG chunks
        raise ValueError(f'{path}: no readable image ({error}); {remedy}') from None


def read_id_image(path: str | Path, remedy: str) -> np.ndarray:
    """Read an image whose pixels are object ids.

    Returns:
        (H, W) int32; for a palette image the indices, not the colours.

    Raises:
        ValueError: it cannot be read, or has colours in place of ids.
    """
    with readable(path), Image.open(path) as image:
        frames, mode = count_frames(image), image.mode
        ids = np.asarray(ImageOps.exif_transpose(image))
    if frames > 1:
        raise ValueError(f'{path}: holds {frames} frames or pages; write each mask to a file')
    if mode not in INDEXED_MODES:
        raise ValueError(f'{path}: has colours (mode {mode}) in place of ids; {remedy}')
    return ids.astype(np.int32)


def has_deep_numbers(path: str | Path) -> bool:
    """Return whether the numbers of an image have more than 8 bits, by its header."""
    with readable(path), Image.open(path) as image:
        return image.mode.startswith('I')


def ids_in(ids: np.ndarray) -> list[int]:
    """Return the numbers in an image (H, W) of ids in ascending order, without 0."""
    if ids.min() < 0 or ids.max() >= MANY:  # 32 bits
        return [number for number in np.unique(ids).tolist() if number]
    return [
        number for number in np.flatnonzero(np.bincount(ids.ravel(order='K'))).tolist() if number
    ]


def codes_of(
    ids: np.ndarray, wanted: Iterable[int] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each number in an image (H, W) of ids and the run lengths of its pixels.

    Args:
        ids: of the objects, 0 for none.
        wanted: numbers to look for; None takes all.
    """
    columns = np.asfortranarray(ids)  # run lengths go down the columns
    for number in ids_in(ids) if wanted is None else wanted:
        mask = columns == number
        if mask.any():
            yield number, encode_mask(mask)


def image_size(path: str | Path) -> tuple[int, int]:
    """Return an image's height and width from its header, turned by its EXIF orientation.

    Raises:
        ValueError: it cannot be read, or holds several frames or pages.
    """
    with readable(path):
        header = read_header(path)
    try:
        refuse_several(header.frames)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    return header.size


def video_record(name: str, frames: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
    """Return the entry of a video, without id; its images are in a folder of its name."""
    height, width = size
    file_names = [f'{name}/{frame}' for frame in frames]
    return dict(height=height, width=width, length=len(frames), file_names=file_names)


class TrackGatherer:
    """Gathers the run lengths of a video's objects frame by frame; `length` is T."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.masks: dict[int, list[dict[str, Any] | None]] = {}

    def add(self, frame: int, identity: int, code: dict[str, Any]) -> None:
        """Add the run lengths of an object in a frame."""
        self.masks.setdefault(identity, [None] * self.length)[frame] = code

    def tracks(self, category_of: dict[int, int]) -> list[dict[str, Any]]:
        """Return the visible objects in the order of their ids as annotations without id."""
        return [
            annotation_of(self.masks[identity], category_of[identity])
            for identity in sorted(self.masks)
        ]


def annotation_of(masks: list[dict[str, Any] | None], category_id: int) -> dict[str, Any]:
    """Return an annotation without ids.

    Args:
        masks: T compressed run lengths, None where the object is absent; not all are.
        category_id: its category in the json.
    """
    height, width = next(mask['size'] for mask in masks if mask is not None)
    return dict(
        category_id=category_id,
        iscrowd=0,
        height=height,
        width=width,
        length=len(masks),
        segmentations=masks,
        bboxes=[None if mask is None else mask_utils.toBbox(mask).tolist() for mask in masks],
        areas=[None if mask is None else int(mask_utils.area(mask)) for mask in masks],
    )


class Overlaps:
    """Gives each pixel to one track, and counts the pixels that others lose."""

    def __init__(self) -> None:
        self.pixels = self.frames = self.hidden = 0

    def visible(
        self, notes: Sequence[dict[str, Any]], frame: int
    ) -> list[tuple[int, dict[str, Any]]]:
        """Return the masks of a frame without the pixels of the annotations before them.

        Args:
            notes: annotations, those that keep their pixels first.
            frame: of their video.

        Returns:
            Index and compressed run lengths of each annotation with a pixel of its own.
        """
        found, covered, pixels, lost = [], None, 0, 0
        for index, note in enumerate(notes):
            code = note['segmentations'][frame]
            if code is None:
                continue
            together = code if covered is None else mask_utils.merge([covered, code])
            area, new = int(mask_utils.area(code)), int(mask_utils.area(together)) - pixels
            if 0 < new < area:
                code = difference(together, covered)
            if new:
                found.append((index, code))
            self.hidden += not new
            lost += area - new
            covered, pixels = together, pixels + new
        self.pixels += lost
        self.frames += lost > 0
        return found

    def report(self, lines: list[str], scored: bool) -> None:
        """Add a line if there were overlaps."""
        if self.pixels:
            owner = 'of the higher score' if scored else 'that comes first in the file'
            lines.append(
                f'overlaps: {self.pixels} pixels in {self.frames} frames are given to the track '
                f'{owner} alone; {self.hidden} masks disappear'
            )

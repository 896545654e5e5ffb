"""Parsing the three forms of a mask in json: polygons, plain and compressed run lengths."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from pycocotools import mask as mask_utils

from rocovis_mm.formats.run_lengths import CountsError, Tube
from rocovis_mm.formats.validation import (
    Place,
    as_finite,
    as_integer,
    describe,
    require,
    require_type,
)

SLIVERS = (0, 2, 4)
"""Lengths of polygons that cover nothing, as they have two points or less."""


class FrameSize(Protocol):
    """Height and width of a tube's frames in pixels, and their number."""

    height: int
    width: int
    length: int


def parse_tube(segmentations: Any, video: FrameSize, place: Place) -> Tube:
    """Read one track's segmentations.

    Args:
        segmentations: one entry per frame: null, ``{}`` or ``[]`` for no mask, polygons, or
            run lengths, plain or compressed.
        video: frame size and number of frames.
        place: of the segmentations, for messages.

    Raises:
        ValueError: another length than the video, another size than the frame, malformed counts.
    """
    remedy = 'write one entry per frame of the video, null where there is no mask'
    require_type(segmentations, list, place, remedy)
    if len(segmentations) != video.length:
        place.fail(f'{len(segmentations)} entries for a video of {video.length} frames', remedy)
    size = [video.height, video.width]
    counts = []
    for frame, entry in enumerate(segmentations):
        if entry is None:
            counts.append(None)
        elif (
            isinstance(entry, dict)
            and entry.get('size') == size
            and isinstance(entry.get('counts'), str)
        ):
            counts.append(entry['counts'])
        else:
            counts.append(_parse_frame(entry, video, place / frame))
    try:
        return Tube.from_counts(video.height, video.width, counts)
    except CountsError as error:
        (place / error.index / 'counts').fail(
            str(error), 'write the mask again, for example with pycocotools.mask.encode'
        )


def _parse_frame(entry: Any, video: FrameSize, place: Place) -> str | None:
    """Return the compressed counts of one mask in any form, or None if it is empty."""
    if isinstance(entry, (dict, list)) and not entry:
        return None
    if isinstance(entry, list):
        return _encode_polygons(entry, video, place)
    remedy = 'a mask is {"size": [height, width], "counts": ...}, a list of polygons, or null'
    require_type(entry, dict, place, remedy)
    counts = require(entry, 'counts', place, remedy)
    size = require(entry, 'size', place, remedy)
    if size != [video.height, video.width] and size != (video.height, video.width):
        (place / 'size').fail(
            f'{describe(size) if not isinstance(size, list) else str(size)[:40]} where the frame '
            f'is [{video.height}, {video.width}] (height, width)',
            'bring the masks to the size that the ground truth gives for the video',
        )
    if isinstance(counts, bytes):
        return counts.decode('latin-1')
    if isinstance(counts, str):
        return counts
    return _encode_plain(counts, video, place / 'counts')


def _encode_plain(counts: Any, video: FrameSize, place: Place) -> str:
    remedy = 'counts are run lengths that add up to height x width, or their compressed text'
    require_type(counts, list, place, remedy)
    area = video.height * video.width
    lengths = np.asarray(counts) if set(map(type, counts)) == {int} else None  # the fast case
    if (
        lengths is None
        or lengths.dtype.kind != 'i'
        or not 0 <= lengths.min() <= lengths.max() <= area
    ):
        whole = [
            as_integer(count, place / index, remedy, 0, area) for index, count in enumerate(counts)
        ]
        lengths = np.array(whole, dtype=np.int64)
    if lengths.sum() != area:
        place.fail(
            f'malformed run-length counts: they add up to {lengths.sum()} pixels, the frame '
            f'has {area}',
            remedy,
        )
    plain = {'size': [video.height, video.width], 'counts': lengths}
    return mask_utils.frPyObjects(plain, video.height, video.width)['counts'].decode()


def _lies_near(polygon: list[Any], video: FrameSize) -> bool:
    """Whether a polygon is certainly valid; otherwise each of its numbers must be checked."""
    if not set(map(type, polygon)) <= {int, float}:
        return False
    try:
        points = np.array(polygon, dtype=np.float64).reshape(-1, 2)
    except OverflowError:  # an integer beyond all floats
        return False
    return bool((np.abs(points) <= (2 * video.width, 2 * video.height)).all())


def without_slivers(polygons: list[Any]) -> list[Any]:
    """Return polygons without those of two points or less, which cover nothing."""
    return [each for each in polygons if not isinstance(each, list) or len(each) not in SLIVERS]


def _are_shares(polygons: list[list[float]]) -> bool:
    """Whether the numbers of polygons must be shares of the frame, as YOLO writes them."""
    if not all(0 <= value <= 1 for value in polygons[0]):  # the usual case
        return False
    values = [value for polygon in polygons for value in polygon]
    return all(0 <= value <= 1 for value in values) and any(value % 1 for value in values)


def _encode_polygons(polygons: list[Any], video: FrameSize, place: Place) -> str:
    """Return the union of polygons, drawn by the function of the official tools (`frPyObjects`).

    Polygons of less than three points are ignored beside a valid polygon.
    """
    remedy = 'a polygon is [x0, y0, x1, y1, x2, y2, ...] in pixels of the frame'
    sound = without_slivers(polygons) or polygons
    for index, polygon in enumerate(polygons):
        where = place / index
        require_type(polygon, list, where, remedy)
        if len(polygon) in SLIVERS and len(sound) < len(polygons):
            continue
        if len(polygon) < 6 or len(polygon) % 2:
            where.fail(f'a polygon of {len(polygon)} numbers', remedy)
        if _lies_near(polygon, video):
            continue
        for position, value in enumerate(polygon):
            limit = 2 * (video.height if position % 2 else video.width)
            if not -limit <= as_finite(value, where / position, remedy) <= limit:
                (where / position).fail(f'{describe(value)} is far outside the frame', remedy)
    if _are_shares(sound):
        place.fail(
            'the numbers of its polygons are shares of the frame, from 0 to 1',
            f'write pixels: x times {video.width}, y times {video.height}',
        )
    codes = mask_utils.frPyObjects(sound, video.height, video.width)
    return mask_utils.merge(codes)['counts'].decode()

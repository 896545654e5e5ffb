"""Boundaries of tubes from their run lengths, without an image; d boundary width, R runs.

Erosion by a square is an intersection of shifted masks, and a shift by whole columns
of a column-major run-length array is a shift of its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from rocovis_mm.formats.run_lengths import (
    Runs,
    Tube,
    intersect,
    merge_sorted,
    tube_runs,
)

BOUNDARY_RATIO = 0.02
"""Boundary width as a share of the image diagonal (Boundary IoU, HQ-YTVIS)."""


def boundary_width(height: int, width: int) -> int:
    """Return the boundary's width d in pixels for frames of this size, at least 1."""
    return max(1, int(round(BOUNDARY_RATIO * math.sqrt(height**2 + width**2))))


def column_runs(tube: Tube, gap: int) -> Runs:
    """Return a tube's foreground with every run inside one column and frames set apart.

    Position ``(frame * (width + gap) + x) * height + y``.

    Args:
        tube: the masks.
        gap: empty columns between one frame and the next.
    """
    runs, height = tube_runs(tube), tube.height
    starts, ends = runs.starts, runs.ends
    columns = starts // height
    pieces = (ends - 1) // height - columns + 1
    if len(starts) and pieces.max() > 1:
        row = np.repeat(np.arange(len(starts)), pieces)
        columns = columns[row] + np.arange(len(row)) - (np.cumsum(pieces) - pieces)[row]
        starts = np.maximum(starts[row], columns * height)
        ends = np.minimum(ends[row], (columns + 1) * height)
    shift = columns // tube.width * (gap * height)
    return Runs(starts + shift, ends + shift)


def erode(runs: Runs, height: int, distance: int) -> Runs:
    """Erode by a square of ``2 * distance + 1`` pixels; outside the image nothing is mask.

    Args:
        runs: as `column_runs` gives them with a gap of at least ``2 * distance``.
        height: rows of a column.
        distance: iterations of a 3x3 erosion.
    """
    tall = runs.ends - runs.starts > 2 * distance
    starts, ends = runs.starts[tall] + distance, runs.ends[tall] - distance
    columns = starts // height
    step = columns[1:] - columns[:-1]
    # columns without a neighbour part the runs into blocks that are eroded each on its own
    block = np.concatenate([[0], np.cumsum(step > 1)])[: len(columns)]
    split = np.zeros(len(block) + 1, dtype=bool)
    split[block[1:][step == 0]] = True
    simple = ~split[block]  # runs of blocks whose columns hold one run each
    if simple.all():
        return _erode_simple(Runs(starts, ends), columns, height, distance)
    first = _erode_simple(Runs(starts[simple], ends[simple]), columns[simple], height, distance)
    second = _erode_any(Runs(starts[~simple], ends[~simple]), height, distance)
    return Runs(merge_sorted(first.starts, second.starts), merge_sorted(first.ends, second.ends))


def _spans(distance: int) -> Iterator[int]:
    """Yield the steps in which a window grows from one column to ``2 * distance + 1``."""
    reached, span = 1, 2 * distance + 1
    while reached < span:
        step = min(reached, span - reached)
        yield step
        reached += step


def _erode_simple(runs: Runs, columns: np.ndarray, height: int, distance: int) -> Runs:
    """Erode across columns of one run each: the lowest start and the highest end decide.

    Args:
        runs: one for each column, shortened already.
        columns: (R,) the column of each, ascending.
        height: rows of a column.
        distance: of the erosion.
    """
    span = 2 * distance + 1
    if len(columns) < span:
        return Runs(columns[:0], columns[:0])
    top, bottom = runs.starts - columns * height, runs.ends - columns * height
    for step in _spans(distance):  # place i holds columns i to i + what was reached
        top = np.maximum(top[:-step], top[step:])
        bottom = np.minimum(bottom[:-step], bottom[step:])
    whole = columns[span - 1 :] - columns[: 1 - span] == span - 1  # no column is missing
    whole &= top < bottom
    centre = (columns[: 1 - span] + distance)[whole] * height
    return Runs(centre + top[whole], centre + bottom[whole])


def _erode_any(runs: Runs, height: int, distance: int) -> Runs:
    """Erode across columns of any number of runs: intersect with shifted copies."""
    for step in _spans(distance):  # column c holds columns c to c + what was reached
        shift = step * height
        runs = intersect(runs, Runs(runs.starts - shift, runs.ends - shift))
        if not len(runs.starts):
            break
    return Runs(runs.starts + distance * height, runs.ends + distance * height)


def tube_boundary(tube: Tube) -> Runs:
    """Return a tube's boundary: each frame's mask minus its erosion.

    As HQ-YTVIS' toolkit and Boundary IoU define it (`boundary_iou/utils/boundary_utils.py:11`
    of bowenc0221/boundary-iou-api): `boundary_width` iterations of a 3x3 erosion, the
    image border counting as outside.

    Returns:
        The boundary in `column_runs` positions with a gap of ``2 * d``.
    """
    return cut_boundary(column_runs(tube, 2 * boundary_width(tube.height, tube.width)), tube)


def cut_boundary(mask: Runs, tube: Tube) -> Runs:
    """Return the boundary of a tube whose runs are known.

    Args:
        mask: of `column_runs` with a gap of ``2 * d``.
        tube: any tube of the same frames.
    """
    distance = boundary_width(tube.height, tube.width)
    inner = erode(mask, tube.height, distance)
    # an eroded run lies strictly inside a run of the mask, so it cuts that run in two
    return Runs(
        merge_sorted(mask.starts, inner.ends),
        merge_sorted(mask.ends, inner.starts),
    )


def frame_areas(boundary: Runs, tube: Tube) -> np.ndarray:
    """Return (T,) float64, the pixels of each frame in a boundary or a part of it.

    Args:
        boundary: in the positions of `tube_boundary`.
        tube: any tube of the same frames.
    """
    gap = 2 * boundary_width(tube.height, tube.width)
    return block_areas(boundary, (tube.width + gap) * tube.height, len(tube.counts))


def block_areas(runs: Runs, size: int, number: int) -> np.ndarray:
    """Return (number,) float64, the pixels of runs in each block of `size` positions.

    Args:
        runs: of which none is in two blocks.
        size: positions of a block, for example of a frame.
        number: of blocks, from position 0.
    """
    areas = np.bincount(runs.starts // size, runs.ends - runs.starts, number)
    return areas.astype(np.float64)  # numpy counts no runs in whole numbers

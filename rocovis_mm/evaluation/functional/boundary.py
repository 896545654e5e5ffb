"""Boundaries of tubes from their run lengths, without an image; d boundary width, R runs.

Erosion by a square is an intersection of shifted masks, and a shift by whole columns
of a column-major run-length array is a shift of its numbers.
"""

from __future__ import annotations

import math

import numpy as np

from rocovis_mm.evaluation.functional.run_lengths import (
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
    eroded = Runs(runs.starts[tall] + distance, runs.ends[tall] - distance)
    reached, span = 1, 2 * distance + 1
    while reached < span and len(eroded.starts):  # column c holds columns c to c + reached - 1
        step = min(reached, span - reached)
        shift = step * height
        eroded = intersect(eroded, Runs(eroded.starts - shift, eroded.ends - shift))
        reached += step
    return Runs(eroded.starts + distance * height, eroded.ends + distance * height)


def tube_boundary(tube: Tube) -> Runs:
    """Return a tube's boundary: each frame's mask minus its erosion.

    As HQ-YTVIS' toolkit and Boundary IoU define it (`boundary_iou/utils/boundary_utils.py:11`
    of bowenc0221/boundary-iou-api): `boundary_width` iterations of a 3x3 erosion, the
    image border counting as outside.

    Returns:
        The boundary in `column_runs` positions with a gap of ``2 * d``.
    """
    distance = boundary_width(tube.height, tube.width)
    mask = column_runs(tube, 2 * distance)
    inner = erode(mask, tube.height, distance)
    # an eroded run lies strictly inside a run of the mask, so it cuts that run in two
    return Runs(
        merge_sorted(mask.starts, inner.ends),
        merge_sorted(mask.ends, inner.starts),
    )

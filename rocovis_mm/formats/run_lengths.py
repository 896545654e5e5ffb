"""Compressed COCO run lengths as numpy arrays, for all frames of a tube at once.

Letters: F frames · R runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as mask_utils

MAX_DIGITS = 7
"""A 32-bit count needs at most seven base-32 digits."""


class CountsError(ValueError):
    """Run-length counts that no mask of the frame's size can have.

    Attributes:
        index: of the malformed string.
    """

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(problem)
        self.index = index


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """Return the compressed run lengths of a mask (H, W) bool or uint8, for json."""
    code = mask_utils.encode(np.asfortranarray(mask.view(np.uint8)))
    return dict(size=[int(side) for side in code['size']], counts=code['counts'].decode('ascii'))


@dataclass(frozen=True)
class Tube:
    """The masks of one track, one per frame, still compressed.

    Attributes:
        height: of every frame, in pixels.
        width: of every frame, in pixels.
        counts: T entries, the compressed run lengths of a frame or None.
        areas: (T,) int64, pixels in each frame; 0 if there is no mask.
    """

    height: int
    width: int
    counts: list[str | None]
    areas: np.ndarray

    @property
    def area(self) -> int:
        """Pixels of all frames together."""
        return int(self.areas.sum())

    @classmethod
    def from_counts(cls, height: int, width: int, counts: list[str | None]) -> Tube:
        """Check compressed counts and return their tube.

        Counts with empty runs inside are encoded anew, because pycocotools computes wrong overlaps
        for them (`common/maskApi.c:80`, `rleIou` stops at an empty run that both masks have).

        Raises:
            CountsError: its `index` is the frame whose counts are malformed.
        """
        frames = [index for index, code in enumerate(counts) if code is not None]
        areas = np.zeros(len(counts), dtype=np.int64)
        if frames:
            try:
                pairs, first_rows = decode_counts([counts[i] for i in frames], height * width)
            except CountsError as error:
                raise CountsError(frames[error.index], str(error)) from None
            areas[frames] = np.add.reduceat(pairs[:, 1], first_rows)
            counts = _without_empty_runs(counts, frames, pairs, first_rows)
        return cls(height, width, counts, areas)


def _without_empty_runs(
    counts: list[str | None], frames: list[int], pairs: np.ndarray, first_rows: np.ndarray
) -> list[str | None]:
    """Return counts in which only the first and the last run of a frame may be empty."""
    empty = pairs == 0
    empty[first_rows, 0] = False
    empty[np.append(first_rows[1:], len(pairs)) - 1, 1] = False
    if not empty.any():
        return counts
    counts = list(counts)
    for frame, rows in zip(frames, np.split(pairs, first_rows[1:])):
        joined = [0]
        for index, length in enumerate(rows.ravel().tolist()):
            if index % 2 == (len(joined) - 1) % 2:
                joined[-1] += length
            elif length:
                joined.append(length)
        plain = {'size': [sum(joined), 1], 'counts': joined}
        counts[frame] = mask_utils.frPyObjects(plain, *plain['size'])['counts'].decode()
    return counts


@dataclass(frozen=True)
class Runs:
    """Disjoint half-open intervals in ascending order.

    Attributes:
        starts: (R,) int64, first position of each run.
        ends: (R,) int64, one past the last position; ``starts < ends <= next start``.
    """

    starts: np.ndarray
    ends: np.ndarray

    @property
    def area(self) -> int:
        """Positions covered."""
        return int((self.ends - self.starts).sum())


def decode_counts(counts: Sequence[str], frame_area: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode compressed run lengths of several frames at once.

    The encoding is pycocotools' (`common/maskApi.c:204`, `rleFrString`): base-32 digits,
    lowest first. Bit 5 marks that more digits follow, and the last digit carries the sign. From
    the fourth number on, the difference to the number two before it is stored.

    Args:
        counts: F strings.
        frame_area: pixels of a frame, the sum of the run lengths of each string.

    Returns:
        (P, 2) int64 pairs (background run, foreground run), all frames in one, and
        (F,) int64, the first row of each frame.

    Raises:
        CountsError: a string is empty, has an invalid character, ends inside a number, holds a
            negative run, or does not add up to the frame.
    """
    values, first_numbers, numbers = _read_numbers(counts)
    rows = (numbers + 1) // 2
    first_rows = np.cumsum(rows) - rows
    odd = numbers % 2 == 1
    # a frame that ends in background gets an empty foreground run to complete the pair
    if odd.any():
        values = np.insert(values, (first_numbers + numbers)[odd], 0)
    pairs = values.reshape(-1, 2)

    leading = pairs[first_rows, 0].copy()  # the first background run is outside the chain
    pairs[first_rows, 0] = 0
    before = np.zeros((len(counts), 2), dtype=np.int64)
    pairs = np.cumsum(pairs, axis=0)
    before[1:] = pairs[first_rows[1:] - 1]
    pairs -= np.repeat(before, rows, axis=0)
    pairs[first_rows, 0] = leading
    pairs[(first_rows + rows - 1)[odd], 1] = 0

    if pairs.min() < 0:
        row = int((pairs < 0).any(axis=1).argmax())
        index = int(np.searchsorted(first_rows, row, side='right')) - 1
        raise CountsError(index, 'malformed run-length counts: a run of negative length')
    totals = np.add.reduceat(pairs.ravel(), 2 * first_rows)
    if (totals != frame_area).any():
        index = int(np.flatnonzero(totals != frame_area)[0])
        raise CountsError(
            index,
            f'malformed run-length counts: they add up to {totals[index]} pixels, '
            f'the frame has {frame_area}',
        )
    return pairs, first_rows


def difference(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return the pixels that only one of two masks has, all of them in compressed run lengths."""
    height, width = first['size']
    area = height * width
    counts = [code['counts'] for code in (first, second)]
    counts = [each if isinstance(each, str) else each.decode() for each in counts]
    pairs, first_rows = decode_counts(counts, area)
    borders = np.cumsum(pairs.ravel())
    borders[2 * first_rows[1] :] -= area
    # each border changes the value of all pixels after it, and two equal ones cancel out
    borders, number = np.unique(borders[borders < area], return_counts=True)
    runs = np.diff(borders[number % 2 == 1], prepend=0, append=area)
    code = mask_utils.frPyObjects(dict(size=[height, width], counts=runs), height, width)
    return dict(size=[height, width], counts=code['counts'].decode())


def _read_numbers(counts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all numbers as stored, the first number of each string, and how many it has."""
    lengths = np.fromiter(map(len, counts), np.int64, len(counts))
    if not lengths.all():
        raise CountsError(int(lengths.argmin()), 'empty run-length counts')
    ends = np.cumsum(lengths)

    def owner(position: int) -> int:
        return int(np.searchsorted(ends, position, side='right'))

    def foreign(position: int) -> CountsError:
        return CountsError(
            owner(position), "malformed run-length counts: a character outside '0' to 'o'"
        )

    try:
        text = ''.join(counts).encode('latin-1')
    except UnicodeEncodeError as error:
        raise foreign(error.start) from None
    digits = np.frombuffer(text, np.uint8) - np.uint8(48)  # characters below '0' wrap around
    if digits.max() > 63:
        raise foreign(int((digits > 63).argmax()))
    final = digits < 32
    if not final[ends - 1].all():
        index = int(np.flatnonzero(~final[ends - 1])[0])
        raise CountsError(index, 'malformed run-length counts: they break off inside a number')
    last = final.nonzero()[0]
    width = last.copy()
    width[0] += 1
    width[1:] -= last[:-1]
    longest = int(width.max())
    if longest > MAX_DIGITS:
        raise CountsError(
            owner(int(last[width.argmax()])),
            f'malformed run-length counts: a number of {longest} digits',
        )
    values = digits[last].astype(np.int64)
    values -= (values & 16) << 1
    for back in range(1, longest):
        rows = (width > back).nonzero()[0]
        values[rows] = (values[rows] << 5) | (digits[last[rows] - back] & 31)
    stop = np.searchsorted(last, ends - 1, side='right')
    start = np.concatenate([[0], stop[:-1]])
    return values, start, stop - start


def tube_runs(tube: Tube) -> Runs:
    """Return the foreground of a whole tube as one run-length array.

    Position ``(frame * width + x) * height + y``: COCO's column-major order, frames one
    after the other. Runs that touch are merged.
    """
    frames = np.array([i for i, code in enumerate(tube.counts) if code is not None], np.int64)
    if not len(frames):
        return Runs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    frame_area = tube.height * tube.width
    pairs, first_rows = decode_counts([tube.counts[i] for i in frames], frame_area)
    edges = np.cumsum(pairs.ravel()).reshape(-1, 2)
    rows = np.diff(first_rows, append=len(pairs))
    # cumulated positions count the frames that have masks; move each to its own place
    edges += np.repeat((frames - np.arange(len(frames))) * frame_area, rows)[:, None]
    edges = edges[pairs[:, 1] > 0]
    starts, ends = edges[:, 0], edges[:, 1]
    apart = starts[1:] != ends[:-1]
    return Runs(
        starts[np.concatenate([[True], apart])] if len(starts) else starts,
        ends[np.concatenate([apart, [True]])] if len(ends) else ends,
    )


def merge_sorted(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the numbers of two ascending arrays in ascending order."""
    return np.sort(np.concatenate([first, second]), kind='stable')  # one merge, for timsort


def intersect(first: Runs, second: Runs) -> Runs:
    """Return the positions that both sets of runs cover.

    Sort the starts of both sets together, and their ends likewise. At most two runs are open at a
    time, so the overlaps are exactly the pairs (start k+1, end k) in order.
    """
    starts = merge_sorted(first.starts, second.starts)[1:]
    ends = merge_sorted(first.ends, second.ends)[:-1]
    both = starts < ends
    return Runs(starts[both], ends[both])

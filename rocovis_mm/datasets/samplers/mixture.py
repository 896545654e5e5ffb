"""Draws from several data sets at a ratio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CHUNK = 4096
"""Number of draws that are computed at once."""

MIXTURE_STREAM = 2
"""Separates these random numbers from those of items, events and orders."""


class Mixture:
    """The part of each draw, and the number of earlier draws from that part.

    Draws are independent of each other: draw g takes part k with probability share_k. The result
    depends on the seed and g alone. Its cost is some microseconds per thousand earlier draws.

    Args:
        seed: of the run.
        shares: probability of each part; they add up to 1.
    """

    def __init__(self, seed: int, shares: Sequence[float]) -> None:
        self.seed = seed
        self.bounds = np.cumsum(shares)[:-1]
        self.num_parts = len(shares)
        self.before = [np.zeros(self.num_parts, dtype=np.int64)]  # draws of each part, per chunk
        self.chunk = -1
        self.parts = self.counts = np.zeros(0, dtype=np.int64)

    def locate(self, number: int) -> tuple[int, int]:
        """Return the part of draw `number` and the number of earlier draws from it."""
        if self.num_parts == 1:
            return 0, number
        chunk, position = divmod(number, CHUNK)
        if chunk != self.chunk:
            self._compute(chunk)
        return int(self.parts[position]), int(self.counts[position])

    def _compute(self, chunk: int) -> None:
        """Fill `parts` and `counts` for the draws of a chunk."""
        while len(self.before) <= chunk:
            drawn = self._draw(len(self.before) - 1)
            self.before.append(self.before[-1] + np.bincount(drawn, minlength=self.num_parts))
        self.chunk = chunk
        self.parts = self._draw(chunk)
        self.counts = np.empty_like(self.parts)
        for part in range(self.num_parts):
            mine = self.parts == part
            self.counts[mine] = self.before[chunk][part] + np.arange(mine.sum())

    def _draw(self, chunk: int) -> np.ndarray:
        """Draw the parts (CHUNK,) of a chunk."""
        rng = np.random.default_rng((self.seed, chunk, MIXTURE_STREAM))
        return np.searchsorted(self.bounds, rng.random(CHUNK), side='right')

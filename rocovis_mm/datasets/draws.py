"""Random draws that can be repeated: the content of an item depends on its draw alone.

A sampler yields :class:`Draw` instead of a plain index. While the data set makes the item, it
seeds the random generators of Python, NumPy and PyTorch from the draw's key. Therefore neither the
number of workers nor an interruption of the run changes the data.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


class Draw(int):
    """An index into a data set with the key of its draw.

    Attributes:
        key: non-negative integers that name the draw, such as (seed, number).
    """

    key: tuple[int, ...]

    def __new__(cls, index: int, key: tuple[int, ...]) -> Draw:
        """Make the index `index` of the draw `key`."""
        draw = super().__new__(cls, index)
        draw.key = key
        return draw

    def __getnewargs__(self) -> tuple[int, tuple[int, ...]]:
        """Keep the key when the draw is pickled for a worker process."""
        return int(self), self.key

    def __sub__(self, other: int) -> Draw:
        """Keep the key when a concatenated data set shifts the index."""
        return Draw(int(self) - int(other), self.key)

    def __mod__(self, other: int) -> Draw:
        """Keep the key when a repeated data set wraps the index."""
        return Draw(int(self) % int(other), self.key)

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """Seed Python's, NumPy's and PyTorch's CPU generators, and restore them at the end."""
        states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
        words = np.random.SeedSequence(self.key).generate_state(3)
        random.seed(int(words[0]))
        np.random.seed(words[1])
        torch.default_generator.manual_seed(int(words[2]))
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.random.set_rng_state(states[2])

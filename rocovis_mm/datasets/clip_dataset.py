"""Base class of the data sets for training clips."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from mmengine.dataset import BaseDataset

from rocovis_mm.datasets.draws import Draw
from rocovis_mm.formats.benchmarks import expand_benchmark


class ClipDataset(BaseDataset):
    """A data set whose classes may be a benchmark's and whose items depend on their draw alone.

    ``metainfo=dict(benchmark='ovis')`` takes names and colours of the classes from
    :mod:`rocovis_mm.formats.benchmarks`. Arguments are those of
    :class:`mmengine.dataset.BaseDataset`.
    """

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Insert the classes of a benchmark, as MMEngine would take its name for a file's."""
        return super()._load_metainfo(expand_benchmark(metainfo))

    def __getitem__(self, idx: int) -> Any:
        """Return an item; a ``Draw`` seeds the generators for it."""
        with idx.seeded() if isinstance(idx, Draw) else nullcontext():
            return super().__getitem__(int(idx))

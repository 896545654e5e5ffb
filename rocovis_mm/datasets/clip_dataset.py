"""What data sets share from whose items training clips are made."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from mmengine.dataset import BaseDataset

from rocovis_mm.datasets.draws import Draw
from rocovis_mm.formats.benchmarks import expand_benchmark


class ClipDataset(BaseDataset):
    """A data set whose classes may be a benchmark's, and whose items their draw decides.

    ``metainfo=dict(benchmark='ovis')`` takes names and colours of the classes from
    :mod:`rocovis_mm.formats.benchmarks`. Arguments are those of
    :class:`mmengine.dataset.BaseDataset`.
    """

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Write out the classes of a benchmark before MMEngine takes its name for a file's."""
        return super()._load_metainfo(expand_benchmark(metainfo))

    def __getitem__(self, idx: int) -> Any:
        """Make an item, with generators seeded by the draw where `idx` is a ``Draw``."""
        with idx.seeded() if isinstance(idx, Draw) else nullcontext():
            return super().__getitem__(int(idx))

"""Recordings of Rerun, read back with Rerun's own reader."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def needs_rerun():
    """Import Rerun; skip, and say why, where it or its reader of recordings is missing."""
    pytest.importorskip('rerun', reason='rerun-sdk is optional')
    return pytest.importorskip('rerun.chunk', reason='recordings are read with rerun-sdk 0.41')


class Recording:
    """The rows of a recording.

    Attributes:
        rows: entity -> frame -> component -> value. Static data have the frame -1.
        times: frame -> seconds, of the timeline ``time``.
    """

    def __init__(self, path: Path) -> None:
        reader = needs_rerun().RrdReader(path)
        self.rows: dict[str, dict[int, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
        self.times: dict[int, float] = {}
        (store,) = reader.recordings()
        for chunk in reader.stream(store=store):
            batch = chunk.to_record_batch()
            values = {name: batch[name].to_pylist() for name in batch.schema.names if ':' in name}
            frames = [-1] * len(batch) if chunk.is_static else batch['frame'].to_pylist()
            if 'time' in batch.schema.names:  # in nanoseconds
                seconds = [time / 1e9 for time in batch['time'].cast('int64').to_pylist()]
                self.times |= zip(frames, seconds)
            for number, frame in enumerate(frames):
                row = {name: column[number] for name, column in values.items() if column[number]}
                self.rows[str(chunk.entity_path)][frame] |= row

    def shown(self, entity: str, frame: int) -> dict[str, Any]:
        """Return what a viewer shows of an entity at a frame: the latest row, if not cleared."""
        rows = self.rows[entity]
        latest = max((t for t in rows if 0 <= t <= frame), default=None)
        if latest is None or any(key.startswith('Clear') for key in rows[latest]):
            return {}
        return rows[latest]

    def masks(self, place: str, frame: int) -> dict[int, np.ndarray]:
        """Return the mask (H, W) bool of each class id at a frame, of all layers."""
        masks: dict[int, np.ndarray] = {}
        for entity in [name for name in self.rows if name.startswith(f'{place}/masks/')]:
            row = self.shown(entity, frame)
            if row:
                (form,), (buffer,) = (
                    row[f'SegmentationImage:{key}'] for key in ('format', 'buffer')
                )
                size = form['height'], form['width']
                dtype = np.uint8 if len(buffer) == size[0] * size[1] else np.uint16
                image = np.array(buffer, dtype=np.uint8).view(dtype).reshape(size)
                for value in np.unique(image[image > 0]).tolist():
                    assert value not in masks, 'a mask is in two layers'
                    masks[value] = image == value
        return masks

    def boxes(self, place: str, frame: int) -> dict[int, tuple[list[float], str]]:
        """Return box (left, top, right, bottom) and label of each class id at a frame."""
        row = self.shown(f'{place}/boxes', frame)
        parts = [row.get(f'Boxes2D:{key}', []) for key in ('centers', 'half_sizes', 'labels')]
        ids = row.get('Boxes2D:class_ids', [])
        assert len({len(ids), *map(len, parts)}) == 1
        return {
            number: ([x - w, y - h, x + w, y + h], label)
            for number, (x, y), (w, h), label in zip(ids, *parts)
        }

    def scores(self, place: str, frame: int) -> dict[int, float]:
        """Return the point of each curve that a frame itself has, by class id."""
        start = f'{place}/scores/'
        return {
            int(name[len(start) :]) + 1: rows[frame]['Scalars:scalars'][0]
            for name, rows in self.rows.items()
            if name.startswith(start) and frame in rows
        }

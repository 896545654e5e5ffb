"""The records of a json that may not be sound."""

from __future__ import annotations

from typing import Any

PER_FRAME = ('segmentations', 'segmentations_refined', 'bboxes', 'areas')
"""Keys of an annotation that have an entry per frame."""


def entries(content: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the records of a key that are objects."""
    records = content.get(key)
    if not isinstance(records, list):
        return []
    return [record for record in records if isinstance(record, dict)]


def id_of(record: dict[str, Any], key: str = 'id') -> int | None:
    """Return an id of a record; None where it is no whole number."""
    value = record.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count_frames(content: dict[str, Any]) -> dict[int | None, int]:
    """Return the number of images of each video."""
    return {
        id_of(video): len(video['file_names'])
        for video in entries(content, 'videos')
        if isinstance(video.get('file_names'), list)
    }

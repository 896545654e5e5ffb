"""Access to the records of a json that may be invalid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Return an id of a record, or None if it is no whole number."""
    value = record.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count_frames(content: dict[str, Any]) -> dict[int | None, int]:
    """Return the number of images of each video."""
    return {
        id_of(video): len(video['file_names'])
        for video in entries(content, 'videos')
        if isinstance(video.get('file_names'), list)
    }


def pick_frames(content: dict[str, Any], frames: Mapping[int | None, Sequence[int]]) -> None:
    """Keep the listed frames of some videos, in that order, in all lists with an entry per frame.

    Args:
        content: of the json, changed in place.
        frames: id of each video to change -> the frames to keep.
    """
    lengths = count_frames(content)
    holders = [(video, id_of(video), ('file_names',)) for video in content['videos']]
    holders += [(n, id_of(n, 'video_id'), PER_FRAME) for n in content.get('annotations', [])]
    for record, video, keys in holders:
        for key in keys if video in frames else ():
            values = record.get(key)
            if isinstance(values, list) and len(values) == lengths[video]:
                record[key] = [values[t] for t in frames[video]]
        if video in frames and 'length' in record and len(frames[video]) < lengths[video]:
            record['length'] = len(frames[video])

"""Keys of an annotation that data sets, checks and scoring read by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rocovis_mm.formats.validation import (
    Place,
    as_finite,
    as_integer,
    require,
    require_type,
)

NO_ENTRIES = 'write one per frame, null where there is no mask, or leave the key out'
MEASURES = ('bboxes', 'areas')
"""Keys of an annotation with an entry per frame that follow from its masks."""


def read_crowd(record: Mapping[str, Any], place: Place) -> bool:
    """Return whether an annotation stands for a group; null counts as 0.

    Args:
        record: the annotation.
        place: its place.

    Raises:
        ValueError: ``iscrowd`` is neither 0 nor 1.
    """
    value = record.get('iscrowd')
    if value is None or isinstance(value, bool):
        return bool(value)
    return as_integer(value, place / 'iscrowd', 'write 0 or 1', 0, 1) == 1


def read_measure(
    record: Mapping[str, Any], key: str, length: int, place: Place
) -> list[Any] | None:
    """Return the boxes or areas of an annotation; None where it has none.

    Args:
        record: the annotation.
        key: one of `MEASURES`.
        length: frames of its video.
        place: of the annotation.

    Raises:
        ValueError: it has not one entry per frame, or an area is no finite number.
    """
    values = record.get(key)
    if values is None:
        return None
    require_type(values, list, place / key, NO_ENTRIES)
    if len(values) != length:
        (place / key).fail(f'{len(values)} entries for a video of {length} frames', NO_ENTRIES)
    if key == 'areas':
        for frame, area in enumerate(values):
            if area is not None:
                as_finite(area, place / key / frame, NO_ENTRIES)
    return values


def check_length(record: Mapping[str, Any], place: Place) -> None:
    """Refuse a video whose ``length`` is not the number of its ``file_names``.

    Raises:
        ValueError: names the place, both numbers and the remedy.
    """
    names = record.get('file_names')
    if isinstance(names, list) and 'length' in record and record['length'] != len(names):
        place.fail(
            f'length is {record["length"]} but there are {len(names)} file_names',
            'correct one of them: each frame needs its image',
        )


def read_name(category: Mapping[str, Any], place: Place, remedy: str) -> str:
    """Return the name of a category, which is a text.

    Raises:
        ValueError: names the place, what is wrong and the remedy.
    """
    return require_type(require(category, 'name', place, remedy), str, place / 'name', remedy)

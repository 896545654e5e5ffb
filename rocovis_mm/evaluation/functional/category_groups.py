"""Categories set apart by marks of an annotation file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rocovis_mm.formats.validation import Place, describe

MARKS: dict[str, dict[Any, str]] = {
    'partition': {0: 'base', 1: 'base', 2: 'novel', 3: 'novel'},
    'base': {True: 'base', False: 'novel'},
    'novel': {False: 'base', True: 'novel'},
    'frequency': {'f': 'frequent', 'c': 'common', 'r': 'rare'},
}
"""Key of a category -> value -> group, the first key that the file has.

LV-VIS has ``partition``: 0 of COCO, 1 of LVIS' base categories, 2 of LVIS' rare categories, 3 new
(github.com/haochenheheda/LVVIS, issue 5). LVIS has ``frequency``.
"""


def group_categories(content: Mapping[str, Any], name: str) -> dict[str, list[int]]:
    """Return the ids of the categories of each group that the file's categories name.

    Args:
        content: of the annotation file.
        name: of the file.

    Raises:
        ValueError: no category has one of the `MARKS`, some have none, or it has another value.
    """
    records, place = content['categories'], Place(name) / 'categories'
    key = next((key for key in MARKS if any(key in record for record in records)), None)
    if key is None:
        place.fail(
            f'no category has {", ".join(MARKS)}', 'give the ids with --category-groups FILE'
        )
    groups: dict[str, list[int]] = {group: [] for group in MARKS[key].values()}
    for index, record in enumerate(records):
        value = record.get(key)
        known = [group for mark, group in MARKS[key].items() if _same(mark, value)]
        if not known:
            wanted = ', '.join(map(str, MARKS[key]))
            (place / index / key).fail(f'found {describe(value)}', f'write one of {wanted}')
        groups[known[0]].append(int(record['id']))
    return groups


def _same(mark: Any, value: Any) -> bool:
    """Return whether two values are equal; 0 and False differ."""
    return type(mark) is type(value) and mark == value

"""Categories set apart by marks of an annotation file, and groups of ids from a file."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.validation import Place, as_identifier, describe, require_type

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


def read_groups(path: str | Path, known: Container[int], things: str) -> dict[str, list[int]]:
    """Return the ids of each group in a json file, an object of name -> list of ids.

    Args:
        path: of the file.
        known: the ids of the ground truth.
        things: 'videos' or 'categories'.

    Raises:
        ValueError: names the file, the group and the remedy.
    """
    place, form = Place(str(path)), f'write {{"name": [ids of {things}], ...}}'
    content = require_type(read_json(path), dict, place, form)
    if not content:
        place.fail('it has no groups', form)
    groups: dict[str, list[int]] = {}
    for name, values in content.items():
        own = place / name
        if not require_type(values, list, own, form):
            own.fail('it has no ids', form)
        ids = [
            as_identifier(value, own / i, 'ids are whole numbers') for i, value in enumerate(values)
        ]
        for index, identifier in enumerate(ids):
            if identifier not in known:
                (own / index).fail(
                    f'{identifier} is none of the {things} of the ground truth',
                    'list ids of the ground truth only',
                )
        groups[name] = list(dict.fromkeys(ids))
    return groups

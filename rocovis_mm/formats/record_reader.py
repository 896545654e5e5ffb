"""Reading the records of an annotation file: all problems are gathered and raised together."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.validation import (
    MAX_SIDE,
    Place,
    as_finite,
    as_identifier,
    as_integer,
    listed,
    require,
    require_type,
)

Item = TypeVar('Item')

SHOWN_PROBLEMS = 5
"""Number of problems that an error message lists. It counts the others."""
NO_ENTRIES = 'write one per frame, null where there is no mask, or leave the key out'
MEASURES = ('bboxes', 'areas')
"""Keys of an annotation with an entry per frame that follow from its masks."""


class AlreadyNoted(ValueError):
    """The problems of a record are in the list already."""


def raise_problems(problems: list[str]) -> None:
    """Raise one ValueError for all `problems`, if any, which lists the first few."""
    if not problems:
        return
    shown = '\n'.join(problems[:SHOWN_PROBLEMS])
    rest = len(problems) - SHOWN_PROBLEMS
    raise ValueError(shown + (f'\n... and {rest} more like these' if rest > 0 else ''))


def read_annotation_json(path: str | Path) -> Any:
    """Return the content of a data set's annotation file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or not json.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'{path}: no such annotation file; set data_root and ann_file of the data set'
        )
    return read_json(path)


def read_size(record: dict[str, Any], place: Place, remedy: str) -> tuple[int, int]:
    """Return the height and the width of a video or an image, in pixels, or fail."""
    height, width = (
        as_integer(require(record, key, place, remedy), place / key, remedy, 1, MAX_SIDE)
        for key in ('height', 'width')
    )
    return height, width


def read_crowd(record: Mapping[str, Any], place: Place) -> bool:
    """Return whether an annotation is a group of objects, where null counts as 0, or fail."""
    value = record.get('iscrowd')
    if value is None or isinstance(value, bool):
        return bool(value)
    return as_integer(value, place / 'iscrowd', 'write 0 or 1', 0, 1) == 1


def read_measure(
    record: Mapping[str, Any], key: str, length: int, place: Place
) -> list[Any] | None:
    """Return the boxes or areas of an annotation; None if it has none.

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


class RecordReader:
    """Gathers the problems of a file.

    Args:
        place: the file.
        kind: of the owner of an annotation, 'video' or 'image'.
    """

    def __init__(self, place: Place, kind: str) -> None:
        self.place = place
        self.kind = kind
        self.problems: list[str] = []
        self.unreadable: set[int] = set()  # ids of videos or images with a problem
        self.seen: dict[int, int] = {}  # index of the annotation of each id

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Turn a ValueError into a problem, so that reading continues with the next entry."""
        try:
            yield
        except AlreadyNoted:
            pass
        except ValueError as error:
            self.problems.append(str(error))

    def read_categories(self, records: list[Any]) -> list[dict[str, Any]]:
        """Return the categories with a unique id and name."""
        remedy = 'each category needs an id and a name of its own'
        place = self.place / 'categories'
        seen: dict[str, set[Any]] = dict(id=set(), name=set())
        categories = []
        for index, record in enumerate(records):
            with self.gather():
                require_type(record, dict, place / index, remedy)
                identifier = require(record, 'id', place / index, remedy)
                as_identifier(identifier, place / index / 'id', remedy)
                name = require(record, 'name', place / index, remedy)
                require_type(name, str, place / index / 'name', remedy)
                for key, value in (('id', identifier), ('name', name)):
                    if value in seen[key]:
                        (place / index / key).fail(f'duplicate category {key} {value!r}', remedy)
                    seen[key].add(value)
                categories.append(record)
        return categories

    def read_items(
        self, records: list[Any], remedy: str, read: Callable[[int, dict[str, Any], Place], Item]
    ) -> dict[int, Item]:
        """Return the valid videos or images by id.

        Args:
            records: of the file.
            remedy: names the keys that each record needs.
            read: reads an item, given its id, record and place, or raises ValueError.
        """
        items: dict[int, Item] = {}
        for index, record in enumerate(records):
            place = self.place / f'{self.kind}s' / index
            with self.gather():
                require_type(record, dict, place, remedy)
                number = require(record, 'id', place, remedy)
                identifier = as_identifier(number, place / 'id', remedy)
                try:
                    item = read(identifier, record, self.place_of(identifier))
                except ValueError:
                    self.unreadable.add(identifier)
                    raise
                if identifier in items:
                    (place / 'id').fail(
                        f'duplicate {self.kind} id {identifier}',
                        f'give each {self.kind} an id of its own',
                    )
                items[identifier] = item
        return items

    def read_owner(
        self,
        record: Any,
        place: Place,
        remedy: str,
        items: Collection[int],
        categories: Collection[int],
    ) -> tuple[int, int, int]:
        """Return the ids of an annotation, of its video or image and of its category, or fail.

        Args:
            record: the annotation.
            place: of the annotation.
            remedy: names the keys that each annotation needs.
            items: ids of the valid videos or images.
            categories: ids of the file's categories.
        """
        require_type(record, dict, place, remedy)
        identifier, owner, category = (
            as_identifier(require(record, key, place, remedy), place / key, 'ids are whole numbers')
            for key in ('id', f'{self.kind}_id', 'category_id')
        )
        if owner in self.unreadable and owner not in items:
            raise AlreadyNoted
        place = self.place_of(owner, identifier)
        if owner not in items:
            place.fail(
                f'there is no such {self.kind}',
                f'remove the annotation or correct its {self.kind}_id',
            )
        if category not in categories:
            place.fail(
                f'unknown category {category}, the file has {listed(sorted(categories))}',
                'add it to categories or correct category_id',
            )
        return identifier, owner, category

    def refuse_twice(self, identifier: int, index: int) -> None:
        """Refuse annotation number `index` if an earlier one has the same id."""
        earlier = self.seen.setdefault(identifier, index)
        if earlier != index:
            (self.place / 'annotations' / index / 'id').fail(
                f'duplicate annotation id {identifier} (also annotations[{earlier}])',
                'number annotations uniquely over the whole file',
            )

    def place_of(self, item: int, annotation: int | None = None) -> Place:
        """Return the place of a video or image, or of one of its annotations, named by ids."""
        name = f'{self.kind} {item}'
        return Place(
            self.place.file, name if annotation is None else f'{name}, annotation {annotation}'
        )

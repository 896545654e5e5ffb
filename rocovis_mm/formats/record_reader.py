"""Reading the records of an annotation file; what is wrong is gathered, then told at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.records import read_name
from rocovis_mm.formats.validation import (
    MAX_SIDE,
    Place,
    as_identifier,
    as_integer,
    listed,
    require,
    require_type,
)

Item = TypeVar('Item')

SHOWN_PROBLEMS = 5
"""How many problems an error message spells out; the rest is counted."""


class AlreadyNoted(ValueError):
    """Stands for problems that are in the list."""


def raise_problems(problems: list[str]) -> None:
    """Raise one ValueError for all `problems`, the first few in full."""
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
    """Return the height and the width of a video or an image, in pixels.

    Raises:
        ValueError: names the place, what is wrong and the remedy.
    """
    height, width = (
        as_integer(require(record, key, place, remedy), place / key, remedy, 1, MAX_SIDE)
        for key in ('height', 'width')
    )
    return height, width


class RecordReader:
    """Gathers the problems of a file.

    Args:
        place: the file.
        kind: what its annotations belong to, 'video' or 'image'.
    """

    def __init__(self, place: Place, kind: str) -> None:
        self.place = place
        self.kind = kind
        self.problems: list[str] = []
        self.unreadable: set[int] = set()  # ids of videos or images whose problem is noted
        self.seen: dict[int, int] = {}  # index of the annotation of each id

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Note a ValueError and go on with the next entry."""
        try:
            yield
        except AlreadyNoted:
            pass
        except ValueError as error:
            self.problems.append(str(error))

    def read_categories(self, records: list[Any]) -> list[dict[str, Any]]:
        """Return the categories that have an id and a name of their own."""
        remedy = 'each category needs an id and a name of its own'
        place = self.place / 'categories'
        seen: dict[str, set[Any]] = dict(id=set(), name=set())
        categories = []
        for index, record in enumerate(records):
            with self.gather():
                require_type(record, dict, place / index, remedy)
                identifier = require(record, 'id', place / index, remedy)
                as_identifier(identifier, place / index / 'id', remedy)
                name = read_name(record, place / index, remedy)
                for key, value in (('id', identifier), ('name', name)):
                    if value in seen[key]:
                        (place / index / key).fail(f'duplicate category {key} {value!r}', remedy)
                    seen[key].add(value)
                categories.append(record)
        return categories

    def read_items(
        self, records: list[Any], remedy: str, read: Callable[[int, dict[str, Any], Place], Item]
    ) -> dict[int, Item]:
        """Return the videos or images that can be read, by id.

        Args:
            records: of the file.
            remedy: what each of them needs.
            read: makes one of its id, its record and its place, or raises ValueError.
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
        """Return the ids of an annotation, of its video or image and of its category.

        Args:
            record: the annotation.
            place: its place.
            remedy: what each annotation needs.
            items: ids of the videos or images that were read.
            categories: ids of the file's categories.

        Raises:
            ValueError: names the place, what is wrong and the remedy.
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
        """Refuse an annotation whose id an earlier annotation has.

        Args:
            identifier: the annotation's id.
            index: its position among the annotations.

        Raises:
            ValueError: names both positions and the remedy.
        """
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

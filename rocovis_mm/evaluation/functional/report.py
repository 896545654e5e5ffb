"""Scores as named figures and as tables a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rocovis_mm.console import text_table
from rocovis_mm.evaluation.functional.error_analysis import PREDICTION_VERDICTS
from rocovis_mm.evaluation.functional.evaluate import TubeScores

SUFFIXES = {'segm': '', 'boundary': '_boundary'}
"""Suffix of a figure's name for each kind of tube IoU."""
STATS = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl')
"""Figures of `TubeScores.stats`."""
POOLS = {'': '', '_pool': ' pooled (AP^Pool)'}
"""Suffix of a figure's name for each ranking of the classes, and its title."""
TITLES = {'segm': 'Video AP', 'boundary': 'Tube-Boundary AP'}


def name_stats(scores: Mapping[str, TubeScores]) -> dict[str, float]:
    """Return the figures per category of each kind: `AP`, `AP50`, ..., `AP_boundary`, ..."""
    return {
        f'{name}{SUFFIXES[kind]}': value
        for kind, measured in scores.items()
        for name, value in measured.stats().items()
    }


def name_pooled_stats(scores: Mapping[str, TubeScores]) -> dict[str, float]:
    """Return AP^Pool of each kind: `AP_pool`, ..., `AP_pool_boundary`, ..."""
    return {
        f'{name}{SUFFIXES[kind]}': value
        for kind, measured in scores.items()
        for name, value in measured.pooled_stats().items()
    }


def per_class_stats(
    scores: Mapping[str, TubeScores], categories: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Return the id, name and figures of each category that has tracks or predictions.

    A figure is -1 where the category has no ground truth. Most of the categories of a large
    vocabulary are empty; they are left out.
    """
    rows = []
    for category in sorted({key for measured in scores.values() for key in measured.category_ids}):
        row: dict[str, Any] = {'category_id': category, 'name': categories[category]}
        for kind, measured in scores.items():
            for name, value in measured.class_stats(category).items():
                row[f'{name}{SUFFIXES[kind]}'] = value
        rows.append(row)
    return rows


def percent(value: float) -> str:
    """Return a fraction in percent with two decimals, '-' for -1 (nothing to measure)."""
    return '-' if value < 0 else f'{100 * value:.2f}'


class Difference(NamedTuple):
    """A figure of a results file minus that of another one, as fractions.

    Attributes:
        difference: of the figures of all videos.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    difference: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return the difference and its interval in percentage points."""
        value, low, high = (f'{100 * end:+.2f}' for end in self)
        return f'{value} [{low}, {high}]'


Cell = str | int | float | Difference | None
"""A text, a count, a fraction (-1: nothing to measure), a difference, or nothing."""


@dataclass(frozen=True)
class Table:
    """A named table, to print and to write to files.

    Attributes:
        title: one word for it.
        columns: the heads.
        rows: a cell for each column; a float is a fraction and appears in percent.
        records: the rows of the csv file, by column and at full precision; None for `rows`.
        notes: lines below the table.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    records: Sequence[Mapping[str, Any]] | None = None
    notes: Sequence[str] = ()

    def texts(self) -> list[list[str]]:
        """Return the text of all cells, the heads first."""
        return [list(self.columns), *([cell_text(cell) for cell in row] for row in self.rows)]

    def tidy(self) -> Sequence[Mapping[str, Any]]:
        """Return a record of values by column for each row of the csv file."""
        if self.records is None:
            return [dict(zip(self.columns, row)) for row in self.rows]
        return self.records

    def __str__(self) -> str:
        """Return the table in ASCII lines, with its notes."""
        return '\n'.join([text_table(self.texts()), *self.notes])


def cell_text(cell: Cell) -> str:
    """Return the text of a cell."""
    if isinstance(cell, float):
        return percent(cell)
    return '' if cell is None else str(cell)


def summary_table(files: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a table of all figures, one row for each kind of measure and each results file.

    Args:
        files: the figures of each file by its name; a single file is not named.
    """
    rows: list[list[Cell]] = []
    for pool, pool_title in POOLS.items():
        for kind, suffix in SUFFIXES.items():
            for file, figures in files.items():
                cells = [figures.get(f'{name}{pool}{suffix}') for name in STATS]
                if cells[0] is not None:
                    rows.append([TITLES[kind] + pool_title, *labels_of(files, file), *cells])
    keys = [
        f'{name}{pool}{suffix}' for name in STATS for pool in POOLS for suffix in SUFFIXES.values()
    ]
    records = [{'file': file, **own_columns(own, keys)} for file, own in files.items()]
    return Table('summary', ['%', *labels_of(files, 'file'), *STATS], rows, records)


def labels_of(files: Mapping[str, Any], cell: str) -> list[str]:
    """Return a cell that tells several results files apart, none for a single file."""
    return [cell] if len(files) > 1 else []


def file_label(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the label `file` if rows of :func:`rows_of_files` are those of several files."""
    return ['file'] if rows and 'file' in rows[0] else []


def own_columns(row: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return the figures of a row that belong to a table, by key."""
    return {key: row[key] for key in keys if key in row}


def class_records(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the records of a table of classes, with the name of each class as `class`.

    Args:
        rows: of classes.
        names: of the figures of the table, without the suffixes of `SUFFIXES`.
    """
    keys = [f'{name}{suffix}' for suffix in SUFFIXES.values() for name in names]
    labels = [*file_label(rows), 'category_id']
    return [{'class': row['name'], **own_columns(row, [*labels, *keys])} for row in rows]


def rows_of_files(
    files: Mapping[str, Mapping[str, Any]], key: str, *names: str
) -> list[dict[str, Any]]:
    """Return the rows under a key of the figures of all files, those of one name side by side.

    Args:
        files: the figures of each file by its name.
        key: of a list of rows.
        names: keys of a row that name it. The rows get a `file` if there are several files.
    """
    by_name: dict[tuple, list[dict[str, Any]]] = {}
    for file, figures in files.items():
        for row in figures[key]:
            own = by_name.setdefault(tuple(row[name] for name in names), [])
            own.append({**dict.fromkeys(labels_of(files, 'file'), file), **row})
    return [row for own in by_name.values() for row in own]


def class_table(rows: Sequence[Mapping[str, Any]], number: int) -> Table:
    """Return a table of each category's AP, AP50, AP75 and AR10.

    Args:
        rows: of :func:`per_class_stats`; a `file` is a column of its own.
        number: of all categories; one line counts those without a row.
    """
    shown = [
        f'{name}{suffix}'
        for suffix in SUFFIXES.values()
        for name in ('AP', 'AP50', 'AP75', 'AR10')
        if rows and f'{name}{suffix}' in rows[0]
    ]
    labels = ['name', *file_label(rows)]
    empty = number - len({row['category_id'] for row in rows})
    return Table(
        'classes',
        ['class (%)', *labels[1:], *shown],
        [[row[key] for key in (*labels, *shown)] for row in rows],
        class_records(rows, STATS),
        empty_classes(empty, 'tracks or predictions'),
    )


def empty_classes(number: int, things: str) -> list[str]:
    """Return the line that summarises so many classes without `things`; no line for none."""
    return [f'{number} other classes have no {things}'] if number else []


def group_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of the main figures of groups that were scored apart.

    Args:
        rows: of ``score_groups``; a `file` is a column of its own.
    """
    shown = ['AP', 'AP50', 'AP75', 'AP_boundary', 'AP75_boundary', 'AP_pool']
    shown += [name for name in ('HOTA', 'AssA') if any(name in row for row in rows)]
    several = len({row['grouping'] for row in rows}) > 1
    labels = [
        'group',
        *(['grouping'] if several else []),
        *file_label(rows),
        *('videos', 'tracks'),
    ]
    return Table(
        'groups',
        ['group (%)', *labels[1:], *shown],
        [[row.get(key) for key in (*labels, *shown)] for row in rows],
        rows,
    )


def error_table(names: Sequence[str], summaries: Sequence[Mapping[str, float]]) -> Table:
    """Return a table of error counts, one row for each results file."""
    counts = [*PREDICTION_VERDICTS, 'tracks', 'missed', 'switched']
    shares = {'best_share': 'held by best (%)', 'joint_share': 'held by all (%)'}
    rows = [
        [name, *(int(summary[key]) for key in counts), *(float(summary[key]) for key in shares)]
        for name, summary in zip(names, summaries)
    ]
    records = [{'file': name, **summary} for name, summary in zip(names, summaries)]
    return Table('errors', ['results', *counts, *shares.values()], rows, records)

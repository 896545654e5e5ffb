"""Scores as named figures and as tables a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rocovis_mm.console import text_table
from rocovis_mm.evaluation.functional.error_analysis import PREDICTION_VERDICTS
from rocovis_mm.evaluation.functional.evaluate import TubeScores

SUFFIXES = {'segm': '', 'boundary': '_boundary'}
"""What is added to a figure's name for each kind of tube IoU."""
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


def summary_table(figures: Mapping[str, float]) -> str:
    """Return a table of all figures in percent, one row for each kind of measure."""
    header = ['%', 'AP', 'AP50', 'AP75', 'APs', 'APm', 'APl']
    header += ['AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl']
    rows = []
    for pool, pool_title in (('', ''), ('_pool', ' pooled (AP^Pool)')):
        for kind, suffix in SUFFIXES.items():
            names = [f'{name}{pool}{suffix}' for name in header[1:]]
            if names[0] in figures:
                cells = [percent(figures[name]) if name in figures else '' for name in names]
                rows.append([TITLES[kind] + pool_title, *cells])
    return text_table([header, *rows])


def class_table(rows: Sequence[Mapping[str, Any]], number: int) -> str:
    """Return a table of each category's AP, AP50, AP75 and AR10 in percent.

    Args:
        rows: of :func:`per_class_stats`.
        number: of all categories; one line counts those without a row.
    """
    shown = [
        f'{name}{suffix}'
        for suffix in SUFFIXES.values()
        for name in ('AP', 'AP50', 'AP75', 'AR10')
        if rows and f'{name}{suffix}' in rows[0]
    ]
    cells = [[row['name'], *(percent(row[name]) for name in shown)] for row in rows]
    table = text_table([['class (%)', *shown], *cells])
    return '\n'.join([table, *empty_classes(number - len(rows), 'tracks or predictions')])


def empty_classes(number: int, things: str) -> list[str]:
    """Return the line that summarises so many classes without `things`; no line for none."""
    return [f'{number} other classes have no {things}'] if number else []


def group_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of the main figures of groups that were scored apart, in percent."""
    shown = ('AP', 'AP50', 'AP75', 'AP_boundary', 'AP75_boundary', 'AP_pool')
    header = ['group (%)', 'videos', 'tracks', *shown]
    cells = [
        [row['group'], str(row['videos']), str(row['tracks']), *(percent(row[n]) for n in shown)]
        for row in rows
    ]
    return text_table([header, *cells])


def error_table(names: Sequence[str], summaries: Sequence[Mapping[str, float]]) -> str:
    """Return a table of error counts, one row for each results file."""
    counts = [*PREDICTION_VERDICTS, 'tracks', 'missed', 'switched']
    shares = {'best_share': 'held by best (%)', 'joint_share': 'held by all (%)'}
    rows = [
        [
            name,
            *(str(int(summary[key])) for key in counts),
            *(percent(summary[key]) for key in shares),
        ]
        for name, summary in zip(names, summaries)
    ]
    return text_table([['results', *counts, *shares.values()], *rows])

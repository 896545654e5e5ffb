"""Tracking scores as named figures and as tables a person reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.report import (
    SUFFIXES,
    Table,
    class_records,
    file_label,
    labels_of,
)
from rocovis_mm.evaluation.functional.tracking.hota import ALPHAS
from rocovis_mm.evaluation.functional.tracking.summary import (
    Fields,
    TrackingScores,
    VideoCounts,
    combine_videos,
    count_videos,
)
from rocovis_mm.evaluation.functional.tracking.threshold import above, best_threshold
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track

BEST = 'best'
"""Stands for the score threshold with the highest class-averaged HOTA."""
HOTA_NAMES = ('HOTA', 'DetA', 'AssA', 'LocA', 'DetRe', 'DetPr', 'AssRe', 'AssPr')
FAMILY_NAMES = {
    'HOTA': HOTA_NAMES,
    'CLEAR': ('MOTA', 'MOTP'),
    'Identity': ('IDF1', 'IDP', 'IDR'),
}
NUMBERS = ('IDSW', 'Frag', 'MT', 'PT', 'ML')
"""Figures of CLEAR that are no shares."""
ALL_NAMES = (*(name for own in FAMILY_NAMES.values() for name in own), *NUMBERS)
AVERAGES = {'': 'class average', '_det': 'detection average', '_agnostic': 'class-agnostic'}
"""Suffix of a figure's name for each way to combine classes, and the title of each."""
KIND_TITLES = {'segm': 'masks', 'boundary': 'boundaries'}
CLASS_NAMES = ('HOTA', 'DetA', 'AssA', 'MOTA', 'IDF1', 'IDSW')
"""Figures in the table of classes."""


@dataclass(frozen=True)
class TrackingReport:
    """The figures of tracks, as the scoring tool writes them.

    Attributes:
        stats: of :func:`name_tracking_stats`.
        per_alpha: of :func:`alpha_stats`.
        score_thr: the threshold that was applied; None without one.
        per_class: of :func:`tracking_class_stats`.
        note: how many predictions counted as tracks, and why.
        videos: of `count_videos`.
    """

    stats: dict[str, float | int]
    per_alpha: dict[str, list[float]]
    score_thr: float | None
    per_class: list[dict[str, Any]]
    note: str
    videos: list[dict[str, VideoCounts]]

    def figures(self) -> dict[str, Any]:
        """Return all but the classes, as the scoring tool writes it."""
        more = {'per_alpha': self.per_alpha, 'score_thr': self.score_thr, 'tracks_note': self.note}
        return {**self.stats, **more}


def check_threshold(score_thr: float | str | None) -> None:
    """Check a score threshold before anything is measured.

    Raises:
        ValueError: it is neither None nor `BEST` nor a finite number.
    """
    if score_thr is None or score_thr == BEST:
        return
    number = isinstance(score_thr, Real) and not isinstance(score_thr, bool)
    if not (number and math.isfinite(score_thr)):
        raise ValueError(
            f"score_thr is {score_thr!r}; choose a finite score, '{BEST}' or None (all predictions)"
        )


def report_tracking(
    truth: GroundTruth,
    predictions: Sequence[Track],
    kinds: Sequence[str],
    score_thr: float | str | None = None,
    jobs: int = 1,
) -> TrackingReport:
    """Score predictions as tracks and describe the scores.

    Args:
        truth: the videos to score and their tracks.
        predictions: see `evaluate_tracking`.
        kinds: see `evaluate_tracking`; the first decides where `score_thr` is 'best'.
        score_thr: predictions of lower scores do not count; 'best' for the threshold that
            `best_threshold` finds, None for all predictions.
        jobs: processes to share the videos among.

    Raises:
        ValueError: `score_thr` is something else.
    """
    check_threshold(score_thr)
    given = [track for track in predictions if track.video_id in truth.videos]
    threshold, kept, remark = score_thr, given, ''
    if score_thr == BEST:
        best = best_threshold(truth, given, kinds[0], jobs)
        threshold = best.score if best else None
        remark = ', the threshold with the highest class-averaged HOTA' if best else ''
    if threshold is not None:
        kept = above(given, threshold)
        remark = f', those with scores of {threshold} or more{remark}'
    elif score_thr == BEST:
        remark = ', because no threshold has a HOTA above 0'
    videos = count_videos(truth, kept, kinds, jobs)
    number = len(truth.categories)
    scores = {kind: combine_videos([video[kind] for video in videos], number) for kind in kinds}
    stats = name_tracking_stats(scores)
    note = f'tracks: {len(kept)} of {len(given)} predictions{remark}'
    rows = tracking_class_stats(scores, truth, given)
    return TrackingReport(stats, alpha_stats(scores), threshold, rows, note, videos)


def name_tracking_stats(scores: Mapping[str, TrackingScores]) -> dict[str, float | int]:
    """Return the figures of each kind: `HOTA`, ..., `HOTA_det`, ..., `HOTA_agnostic`, ...

    Figures of the kind 'boundary' also end in `_boundary`. HOTA's are means over its thresholds.
    """
    return {
        f'{name}{suffix}': value
        for suffix, fields in _averages(scores)
        for name, value in _flat_stats(fields).items()
    }


def alpha_stats(scores: Mapping[str, TrackingScores]) -> dict[str, list[float]]:
    """Return the thresholds as `alpha`, and HOTA's figures at each, named as their means are."""
    curves = {
        f'{name}{suffix}': fields['HOTA'][name].tolist()
        for suffix, fields in _averages(scores)
        for name in HOTA_NAMES
    }
    return {'alpha': np.round(ALPHAS, 2).tolist(), **curves}


def _averages(scores: Mapping[str, TrackingScores]) -> Iterator[tuple[str, Fields]]:
    for kind, measured in scores.items():
        combined = measured.class_averaged, measured.detection_averaged, measured.agnostic
        for suffix, fields in zip(AVERAGES, combined):
            yield f'{suffix}{SUFFIXES[kind]}', fields


def _flat_stats(fields: Fields) -> dict[str, float | int]:
    stats: dict[str, float | int] = {
        name: float(np.mean(fields[family][name]))
        for family, names in FAMILY_NAMES.items()
        for name in names
    }
    return {**stats, **{name: int(fields['CLEAR'][name]) for name in NUMBERS}}


def group_stats(videos: Sequence[VideoCounts], categories: int) -> dict[str, float | int]:
    """Return the class-averaged figures of `CLASS_NAMES` of some videos.

    Args:
        videos: of one kind of similarity.
        categories: number of all categories.
    """
    stats = _flat_stats(combine_videos(videos, categories).class_averaged)
    return {name: stats[name] for name in CLASS_NAMES}


def tracking_class_stats(
    scores: Mapping[str, TrackingScores], truth: GroundTruth, predictions: Sequence[Track]
) -> list[dict[str, Any]]:
    """Return the id, name and figures of each category that has tracks or predictions.

    Args:
        scores: of each kind.
        truth: the ground truth.
        predictions: all of them, also those below a score threshold.
    """
    rows = []
    for category in sorted({track.category_id for track in (*truth.tracks, *predictions)}):
        row: dict[str, Any] = {'category_id': category, 'name': truth.categories[category]}
        for kind, measured in scores.items():
            for name, value in _flat_stats(measured.of_class(category)).items():
                row[f'{name}{SUFFIXES[kind]}'] = value
        rows.append(row)
    return rows


def merge_class_stats(*tables: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each category of tables of classes, with the figures of all of them."""
    merged: dict[int, dict[str, Any]] = {}
    for row in (row for rows in tables for row in rows):
        merged.setdefault(row['category_id'], {}).update(row)
    return [merged[category] for category in sorted(merged)]


def _cell(name: str, value: float | int) -> str:
    return str(value) if name in NUMBERS else f'{100 * value:.2f}'


def tracking_table(files: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a table of all figures, shares in percent, one row for each average, kind and file.

    Args:
        files: the figures of each results file by its name; a single file is not named.
    """
    rows: list[list[str]] = []
    records: list[dict[str, Any]] = []
    for kind, suffix in SUFFIXES.items():
        for average, title in AVERAGES.items():
            for file, figures in files.items():
                if f'HOTA{average}{suffix}' in figures:
                    values = {name: figures[f'{name}{average}{suffix}'] for name in ALL_NAMES}
                    cells = [_cell(name, value) for name, value in values.items()]
                    label = f'{title}, {KIND_TITLES[kind]}'
                    rows.append([label, *labels_of(files, file), *cells])
                    records.append({'file': file, 'tracking': label, **values})
    notes = [
        ': '.join([*labels_of(files, file), figures['tracks_note']])
        for file, figures in files.items()
    ]
    columns = ['tracking (%)', *labels_of(files, 'file'), *ALL_NAMES]
    return Table('tracking', columns, rows, records, notes)


def tracking_class_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of each category's main figures, shares in percent.

    Args:
        rows: of :func:`tracking_class_stats`; a `file` is a column of its own.
    """
    shown = [
        (name, f'{name}{suffix}')
        for suffix in SUFFIXES.values()
        for name in CLASS_NAMES
        if rows and f'{name}{suffix}' in rows[0]
    ]
    labels = ['name', *file_label(rows)]
    columns = ['tracking of class (%)', *labels[1:], *(key for _, key in shown)]
    cells = [
        [*(row[key] for key in labels), *(_cell(name, row[key]) for name, key in shown)]
        for row in rows
    ]
    return Table('tracking_classes', columns, cells, class_records(rows, ALL_NAMES))

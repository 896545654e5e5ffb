"""Results files side by side: differences against the first file and how sure they are.

V videos, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rocovis_mm.evaluation.functional.bootstrap import (
    difference_interval,
    draw_counts,
    resampled_ap,
)
from rocovis_mm.evaluation.functional.evaluate import Cell
from rocovis_mm.evaluation.functional.report import Difference, Table

if TYPE_CHECKING:
    from rocovis_mm.evaluation.functional.tracking.summary import VideoCounts

COMPARED = {
    'AP': ('segm', 'AP'),
    'AP50': ('segm', 'AP50'),
    'AP75': ('segm', 'AP75'),
    'AP_boundary': ('boundary', 'AP'),
    'AP_pool': ('segm', 'AP_pool'),
}
"""Figure -> kind of tube IoU and name in `resampled_ap`."""
COMPARED_TRACKING = ('HOTA', 'AssA')
"""Figures that are also compared where tracking was measured."""
RESAMPLES = 1000
SEED = 0
"""Of the resamples, so that the intervals of two runs on the same files are equal."""


def resample_figures(
    videos: Sequence[Mapping[str, Sequence[Cell]]],
    tracked: Sequence[VideoCounts] | None = None,
    categories: int = 0,
) -> dict[str, np.ndarray]:
    """Return (B,) values of each figure of `COMPARED`; the resamples depend on V alone.

    Args:
        videos: V cells of each kind, as ``match_videos`` returns them.
        tracked: V counts of masks, see ``count_videos``; for `COMPARED_TRACKING`, too.
        categories: number of all categories, for `tracked`.
    """
    counts = draw_counts(np.random.default_rng(SEED), RESAMPLES, len(videos))
    kinds = {kind for kind, _ in COMPARED.values()}
    by_kind = {kind: resampled_ap([cells[kind] for cells in videos], counts) for kind in kinds}
    figures = {figure: by_kind[kind][name] for figure, (kind, name) in COMPARED.items()}
    if tracked is not None:
        # Here, because the import of scipy takes longer than all other work of the tool.
        from rocovis_mm.evaluation.functional.tracking.resampling import resampled_hota

        figures |= resampled_hota(tracked, counts, categories)
    return figures


def paired_differences(
    figures: Mapping[str, float],
    resampled: Mapping[str, np.ndarray],
    base: Mapping[str, float],
    base_resampled: Mapping[str, np.ndarray],
) -> dict[str, Difference]:
    """Return the differences of the figures of two files, with 95 % intervals.

    Both files are scored on the same resamples. Resamples without an object are left out.

    Args:
        figures: of the later file.
        resampled: of :func:`resample_figures` for the later file.
        base: figures of the first file.
        base_resampled: of :func:`resample_figures` for the first file.

    Returns:
        For each figure that was resampled; 0 in place of a difference where nothing can be
        measured.
    """
    found = {}
    for name in resampled:
        valid = (resampled[name] >= 0) & (base_resampled[name] >= 0)
        interval = (0.0, 0.0)
        if valid.any():
            interval = difference_interval(
                resampled[name][None, valid],
                base_resampled[name][None, valid],
                np.ones((valid.sum(), 1)),
            )
        found[name] = Difference(figures[name] - base[name], *interval)
    return found


def compare_files(
    files: Mapping[str, Mapping[str, float]],
    cells: Mapping[str, Sequence[Mapping[str, Sequence[Cell]]]],
    tracked: Mapping[str, Sequence[VideoCounts]] | None = None,
    categories: int = 0,
) -> dict[str, dict[str, Difference]]:
    """Return the differences of each results file from the first.

    Args:
        files: figures of each file by its name.
        cells: of ``match_videos`` of each file by its name.
        tracked: counts of masks of each file by its name, see :func:`resample_figures`.
        categories: see :func:`resample_figures`.
    """

    def resample(name: str) -> dict[str, np.ndarray]:
        return resample_figures(cells[name], (tracked or {}).get(name), categories)

    (base, figures), *others = files.items()
    resampled = resample(base)
    return {
        name: paired_differences(own, resample(name), figures, resampled) for name, own in others
    }


def json_of(differences: Mapping[str, Difference]) -> dict[str, dict[str, float]]:
    """Return differences as json holds them: `difference`, `low` and `high` of each figure."""
    return {name: each._asdict() for name, each in differences.items()}


def difference_table(base: str, differences: Mapping[str, Mapping[str, Difference]]) -> Table:
    """Return a table of differences in percentage points, one row for each file but the first.

    Args:
        base: name of the first file.
        differences: of :func:`paired_differences` by file.
    """
    names = [*COMPARED, *COMPARED_TRACKING]
    measured = {name for own in differences.values() for name in own}
    return Table(
        'differences',
        ['minus ' + base, *(name for name in names if name in measured)],
        [[file, *own.values()] for file, own in differences.items()],
        [{'file': file, 'against': base, **own} for file, own in differences.items()],
        [f'95 % intervals of {RESAMPLES} resamples of the videos (seed {SEED})'],
    )

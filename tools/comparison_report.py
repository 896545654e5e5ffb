"""The figures, the tables and the plot of tools/run_comparison.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.identity import identity_stats
from rocovis_mm.evaluation.functional.tracks import GroundTruth, load_predictions
from rocovis_mm.visualization.comparison import draw_comparison

METRICS = {
    'AP': 'AP',
    'AP50': 'AP50',
    'AP75': 'AP75',
    'APs': 'APs',
    'AP^B': 'AP_boundary',
    'AP^Pool': 'AP_pool',
}
"""Column -> name in metrics.json."""


def figures_of(truth: GroundTruth, folder: Path) -> dict[str, float]:
    """Return the figures of a tested run, in percent but for the number of ID switches."""
    metrics = json.loads((folder / 'metrics.json').read_text())
    identity = identity_stats(truth, load_predictions(folder / 'results.json', truth))
    return {
        **{title: 100 * metrics[name] for title, name in METRICS.items()},
        'ID switches': identity['id_switches'],
        'late recall': 100 * identity['late_recall'],
    }


def write_report(
    work_dir: Path,
    settings: Mapping[str, Any],
    figures: Mapping[str, Sequence[Mapping[str, float]]],
    facts: Mapping[str, Mapping[str, float]],
) -> None:
    """Write comparison.md, comparison.json and comparison.png, and print the table.

    Args:
        work_dir: where to.
        settings: arguments of the comparison.
        figures: row -> figures of each seed.
        facts: row -> figures that do not depend on the seed.
    """
    columns = {
        row: {name: [each[name] for each in seeds] for name in seeds[0]}
        for row, seeds in figures.items()
    }
    text = f'{table(columns, facts)}\n'
    (work_dir / 'comparison.md').write_text(text)
    content = dict(settings=settings, figures=columns, facts=facts)
    (work_dir / 'comparison.json').write_text(json.dumps(content, indent=1, default=str) + '\n')
    draw_comparison(columns, list(next(iter(columns.values()))), work_dir / 'comparison.png')
    print(text)


def table(
    columns: Mapping[str, Mapping[str, Sequence[float]]], facts: Mapping[str, Mapping[str, float]]
) -> str:
    """Return a Markdown table: a line for each row, mean and spread in each column."""
    names = list(next(iter(columns.values())))
    lines = [['', *names, 'iterations', 'ms per frame']]
    lines.append(['---'] * len(lines[0]))
    for row, values in columns.items():
        cells = [f'{np.mean(values[name]):.1f} ± {np.std(values[name]):.1f}' for name in names]
        own = facts[row]
        lines.append([row, *cells, str(own['iterations']), f'{own["ms_per_frame"]:.1f}'])
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)

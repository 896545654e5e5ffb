"""Methods side by side: figures of several seeds as dots and their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rocovis_mm.visualization.curves import series_color


def draw_comparison(
    figures: Mapping[str, Mapping[str, Sequence[float]]], columns: Sequence[str], path: str | Path
) -> Path:
    """Draw one panel for each figure: every seed a dot, the mean a bar.

    Args:
        figures: method -> name of the figure -> its value for each seed.
        columns: the figures to draw.
        path: of the picture.

    Raises:
        ValueError: there is no method or no figure to draw.
    """
    if not figures or not columns:
        raise ValueError(
            f'{path}: {len(figures)} methods and {len(columns)} figures; give one of each or more'
        )
    methods = list(figures)
    size = (3.1 * len(columns), 0.45 * len(methods) + 1.4)
    drawing = Figure(figsize=size, dpi=130, layout='constrained')
    panels = np.atleast_1d(drawing.subplots(1, len(columns), sharey=True))
    for axes, column in zip(panels, columns):
        for row, method in enumerate(methods):
            values = np.asarray(figures[method][column], dtype=float)
            axes.barh(row, values.mean(), color='#dfe4ec', height=0.62)
            axes.plot(values, [row] * len(values), 'o', color=series_color(row), markersize=6)
        axes.set_title(column, loc='left')
        axes.set_yticks(range(len(methods)), methods)
        axes.grid(axis='x', color='#e3e6ea')
        axes.set_axisbelow(True)
        axes.spines[['top', 'right', 'left']].set_visible(False)
    panels[0].invert_yaxis()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path)
    return path

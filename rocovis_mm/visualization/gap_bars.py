"""Where AP is lost, as stacked bars."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rocovis_mm.evaluation.functional.quality_report import gap_segments
from rocovis_mm.visualization.curves import save_figure
from rocovis_mm.visualization.fonts import chart_fonts, readable
from rocovis_mm.visualization.palette import GAP_COLORS

LABELLED = 0.04
"""Share of the bar from which a part has its number written in it."""


def draw_gaps(summaries: Mapping[str, Mapping[str, Any]], path: str | Path) -> Path:
    """Draw AP and its losses as one stacked bar for each results file.

    Args:
        summaries: ``OracleGaps.summary()`` by the name of the file.
        path: of the picture.

    Raises:
        ValueError: no file has an AP.
    """
    parts = {name: gap_segments(own) for name, own in summaries.items()}
    if not any(parts.values()):
        raise ValueError(f'{path}: no AP to draw; no ground truth counts')
    with rc_context(chart_fonts(list(parts))):
        figure = Figure(figsize=(9, 0.5 * len(parts) + 1.4), dpi=130, layout='constrained')
        axes = figure.subplots()
        for row, segments in enumerate(parts.values()):
            left = 0.0
            for title, share in segments.items():
                bar = axes.barh(
                    row, 100 * share, left=100 * left, color=GAP_COLORS[title], height=0.62
                )
                if share >= LABELLED:
                    axes.bar_label(bar, [f'{100 * share:.1f}'], label_type='center', fontsize=8)
                left += share
        names = [readable(Path(name).name, name) for name in parts]
        axes.set_yticks(range(len(parts)), names)
        axes.set(xlim=(0, 100), xlabel='AP, percent')
        axes.invert_yaxis()
        axes.spines[['top', 'right', 'left']].set_visible(False)
        figure.legend(
            handles=[Patch(color=color, label=title) for title, color in GAP_COLORS.items()],
            loc='outside upper center',
            ncols=len(GAP_COLORS),
            frameon=False,
        )
        return save_figure(figure, path)

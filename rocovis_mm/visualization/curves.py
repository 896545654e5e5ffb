"""Loss and AP over a training run, from MMEngine's scalars, and figures of several runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter

from rocovis_mm.visualization.palette import oklch_to_rgb

METRICS = dict(AP='AP', AP50='AP50', AP75='AP75', AP_boundary='AP^B', AP_pool='AP^Pool')
"""Names in the log and in the picture."""


def find_scalars(work_dir: str | Path) -> list[Path]:
    """Return the scalar logs of a work folder, oldest first. A resumed run has several."""
    return sorted(Path(work_dir).glob('*/vis_data/scalars.json'))


def read_scalars(paths: Sequence[str | Path]) -> dict[str, np.ndarray]:
    """Read mmengine's scalar logs.

    MMEngine's own ``LoggerHook`` counts the figures of a validation in epochs, of which a run
    by iterations has none. Such a figure gets the last iteration logged before it.

    Args:
        paths: of one run, oldest first; for a step in two files the later one counts.

    Returns:
        by name, (n, 2) float64: iteration and value, in order of iteration.
    """
    series: dict[str, dict[float, float]] = {}
    last = 0
    for path in paths:
        before, last = last, 0  # iterations that the older files, and this one, logged last
        for record in read_records(path):
            step = record.get('step', record.get('iter'))
            if step is None:
                continue
            if 'iter' in record or 'lr' in record:
                last = step
            elif step < last or step == 0:
                step = last or before
            for name, value in record.items():
                if isinstance(value, (int, float)):
                    series.setdefault(name, {})[step] = value
    return {name: np.array(sorted(points.items())) for name, points in series.items()}


def read_records(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the contents of each whole line of a scalar log."""
    for line in Path(path).read_text(encoding='utf-8').splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a run that was killed while writing it


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of each value with up to `window` - 1 before it."""
    sums = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)


def series_color(index: int) -> str:
    """Return the colour of the n-th line, dark enough for white paper."""
    return '#{:02x}{:02x}{:02x}'.format(*oklch_to_rgb(0.58, 0.17, 25 + 45 * (3 * index % 8)))


def draw_curves(scalars: dict[str, np.ndarray], path: str | Path) -> Path:
    """Draw loss and AP against the training step, side by side.

    Args:
        scalars: as `read_scalars` returns them.
        path: of the png.
    """
    figure = Figure(figsize=(11, 4.2), dpi=130, layout='constrained')
    losses, metrics = figure.subplots(1, 2)
    draw_losses(losses, scalars)
    draw_metrics(metrics, scalars)
    for axes in (losses, metrics):
        axes.set_xlabel('iteration')
        axes.grid(color='#e3e6ea')
        axes.spines[['top', 'right']].set_visible(False)
    return save_figure(figure, path)


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure. Missing folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def draw_losses(axes: Axes, scalars: dict[str, np.ndarray]) -> None:
    """Draw the total loss as logged and smoothed, on a logarithmic scale."""
    axes.set_title('training loss', loc='left')
    if 'loss' not in scalars:
        return
    steps, values = scalars['loss'].T
    axes.plot(steps, values, color='#c9ced6', linewidth=1, label='as logged')
    window = max(2, len(values) // 15)
    axes.plot(
        steps, smooth(values, window), color=series_color(2), linewidth=2, label='running mean'
    )
    if values.min() > 0:
        axes.set_yscale('log')
        for axis_format in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            axis_format(FormatStrFormatter('%.3g'))
    axes.legend(frameon=False)


def draw_metrics(axes: Axes, scalars: dict[str, np.ndarray]) -> None:
    """Draw the validation metrics in percent, the last value written at each line's end."""
    axes.set_title('validation, percent', loc='left')
    for index, (name, title) in enumerate(METRICS.items()):
        points = next((v for key, v in scalars.items() if key.rpartition('/')[2] == name), None)
        if points is None:
            continue
        steps, values = points.T
        label = f'{title}  {100 * values[-1]:.1f}'
        axes.plot(
            steps,
            100 * values,
            color=series_color(index),
            linewidth=2,
            marker='o',
            markersize=3.5,
            label=label,
        )
    if axes.lines:
        axes.set_ylim(0, 100)
        axes.legend(
            frameon=False,
            title='at the end',
            alignment='left',
            loc='center left',
            bbox_to_anchor=(1, 0.5),
        )


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
    return save_figure(drawing, path)

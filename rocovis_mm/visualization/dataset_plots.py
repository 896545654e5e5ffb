"""A picture of the contents of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rocovis_mm.checks.summary import DatasetSummary
from rocovis_mm.visualization.curves import save_figure
from rocovis_mm.visualization.fonts import chart_fonts, readable
from rocovis_mm.visualization.palette import identity_color

BINS = 30
MOST_CLASSES = 120
"""Classes that are drawn. More make a picture that no viewer shows."""


def draw_summary(summary: DatasetSummary, path: str | Path) -> Path:
    """Draw classes, lengths, absences and sizes side by side.

    Args:
        summary: of the data set.
        path: of the png.
    """
    found = {name: number for name, number in summary.classes.items() if number}
    shown = dict(list(found.items())[:MOST_CLASSES])
    names = [readable(name, f'class {n}') for n, name in enumerate(shown, start=1)]
    with matplotlib.rc_context(chart_fonts(names)):
        return draw_panels(summary, names, list(shown.values()), path)


def draw_panels(
    summary: DatasetSummary, names: Sequence[str], tracks: Sequence[int], path: str | Path
) -> Path:
    """Write the picture, with the names of the shown classes as they can be drawn."""
    rows = max(len(names), 1)
    figure = Figure(figsize=(15, max(7.0, 1.2 + 0.17 * rows)), dpi=110, layout='constrained')
    grid = figure.add_gridspec(2, 4)
    draw_classes(figure.add_subplot(grid[:, 0]), names, tracks, len(summary.classes))
    panels = (
        ('frames per video', summary.video_lengths, 'videos'),
        ('tracks per video', summary.tracks_per_video, 'videos'),
        ('frames in which a track is seen', summary.track_lengths, 'tracks'),
        ('share of frames without the track', summary.absent, 'tracks'),
        ('side of masks, as a share of the frame', summary.mask_sides, 'masks'),
    )
    for number, (title, values, unit) in enumerate(panels):
        axes = figure.add_subplot(grid[number // 3, 1 + number % 3])
        draw_histogram(axes, title, values, unit, color(number + 1))
    draw_resolutions(figure.add_subplot(grid[1, 3]), summary.resolutions)
    return save_figure(figure, path)


def color(number: int) -> np.ndarray:
    """Return a colour as matplotlib takes it."""
    return np.array(identity_color(number)) / 255


def draw_classes(axes: Axes, names: Sequence[str], tracks: Sequence[int], number: int) -> None:
    """Draw the tracks of each class that has any, most on top.

    Args:
        axes: to draw into.
        names: of at most `MOST_CLASSES` classes.
        tracks: of each of them.
        number: of all classes of the data set.
    """
    rest = f' ({len(names)} of {number} classes)' if len(names) < number else ''
    axes.set_title(f'tracks of each class{rest}', loc='left')
    places = np.arange(len(names))[::-1]
    bars = axes.barh(places, tracks, color=color(0))
    axes.bar_label(bars, fontsize=7, padding=2)
    axes.set_yticks(places, names, fontsize=7)
    axes.margins(y=0.01)
    axes.spines[['top', 'right']].set_visible(False)


def draw_histogram(
    axes: Axes, title: str, values: list[float], unit: str, shade: np.ndarray
) -> None:
    """Draw the number of each value, with the median as a line."""
    axes.set_title(title, loc='left')
    axes.set_ylabel(unit)
    axes.spines[['top', 'right']].set_visible(False)
    if not values:
        return
    whole = all(float(value).is_integer() for value in values)
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    few = whole and max(values) - min(values) < BINS
    bins = np.arange(min(values), max(values) + 2) - 0.5 if few else BINS
    axes.hist(values, bins=bins, color=shade)
    axes.axvline(float(np.median(values)), color='#333', linewidth=1, linestyle=':')


def draw_resolutions(axes: Axes, resolutions: dict[tuple[int, int], int]) -> None:
    """Draw each frame size as a point whose area is its number of videos."""
    axes.set_title('frame sizes', loc='left')
    axes.set_xlabel('width')
    axes.set_ylabel('height')
    axes.spines[['top', 'right']].set_visible(False)
    if not resolutions:
        return
    sizes = np.array(list(resolutions))
    numbers = np.array(list(resolutions.values()))
    axes.scatter(*sizes.T, s=20 + 300 * numbers / numbers.max(), color=color(6), alpha=0.6)
    for size, number in list(zip(sizes, numbers))[:5]:
        axes.annotate(
            f'{size[0]}x{size[1]}: {number}',
            size,
            xytext=(0, 14),
            textcoords='offset points',
            fontsize=7,
            ha='center',
        )
    axes.margins(0.2)

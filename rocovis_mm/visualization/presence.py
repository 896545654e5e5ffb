"""A picture of when each identity of a video was present."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from rocovis_mm.visualization.curves import save_figure
from rocovis_mm.visualization.fonts import chart_fonts, readable
from rocovis_mm.visualization.palette import identity_color


@dataclass
class Presence:
    """Frames and latest caption of one identity.

    Attributes:
        caption: class and score.
        frames: numbers of the frames that show it.
    """

    caption: str = ''
    frames: list[int] = field(default_factory=list)

    def spans(self) -> list[tuple[int, int]]:
        """Return the unbroken runs of frames as (first frame, number of frames)."""
        found: list[tuple[int, int]] = []
        for frame in self.frames:
            if found and frame == sum(found[-1]):
                found[-1] = (found[-1][0], found[-1][1] + 1)
            else:
                found.append((frame, 1))
        return found


def draw_presence(identities: Mapping[int, Presence], length: int, path: str | Path) -> Path:
    """Write a chart with a row for each identity, in the colours of the overlay.

    Args:
        identities: presence by identity.
        length: frames of the video.
        path: of the picture.
    """
    names = [
        readable(f'{identity}: {known.caption}', str(identity))
        for identity, known in identities.items()
    ]
    with matplotlib.rc_context(chart_fonts(names)):
        figure = Figure(figsize=(9, 0.8 + 0.3 * max(len(names), 1)), layout='constrained')
        axes = figure.add_subplot()
        for row, (identity, known) in enumerate(identities.items()):
            color = [value / 255 for value in identity_color(identity)]
            axes.broken_barh(known.spans(), (row - 0.35, 0.7), color=color)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
        axes.set_xlim(0, max(length, 1))
        axes.set_xlabel('frame')
        axes.spines[['top', 'right', 'left']].set_visible(False)
        return save_figure(figure, path)

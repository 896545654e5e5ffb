"""Plot precision-recall curves, and AP against the IoU threshold, of results files.

    python tools/analysis_tools/plot_metrics.py GT.json A.json B.json --names A B --out-dir plots

Writes `ap_vs_iou` (Video AP and Tube-Boundary AP at each IoU threshold, all results on one axis
each: the paper's Figure 3), `precision_recall_pooled` (all classes in one ranking) and
`precision_recall_<class>` with a curve for each results file.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib  # noqa: E402
import numpy as np

matplotlib.use('Agg')
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

from rocovis_mm.console import print_anything
from rocovis_mm.evaluation.functional.average_precision import (
    IOU_THRESHOLDS,
    RECALL_POINTS,
)
from rocovis_mm.evaluation.functional.evaluate import TubeScores, evaluate_tracks
from rocovis_mm.evaluation.functional.report import TITLES
from rocovis_mm.evaluation.functional.tracks import (
    load_ground_truth,
    load_predictions,
)
from rocovis_mm.visualization.fonts import chart_fonts, readable, use_font

Scores = Mapping[str, Mapping[str, TubeScores]]
"""Scores of each results file, by name of the file, then kind of tube IoU."""
LINES = ('-', '--', ':', '-.')


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('ground_truth', help='annotation json of the benchmark')
    parser.add_argument('predictions', nargs='+', help='one or several results files')
    parser.add_argument('--names', nargs='+', help='names in the picture [the file names]')
    parser.add_argument('--out-dir', type=Path, default=Path('plots'), help='default: plots')
    parser.add_argument('--format', choices=('png', 'svg', 'pdf'), default='png')
    parser.add_argument(
        '--iou', nargs='+', type=float, default=[0.5, 0.75], help='thresholds of the curves'
    )
    parser.add_argument('--classes', nargs='+', help='only these classes (default: all found)')
    parser.add_argument('--jobs', type=int, default=1, help='processes')
    parser.add_argument('--font', type=Path, help='font file to take first for names')
    options = parser.parse_args(arguments)
    options.names = options.names or [Path(path).stem for path in options.predictions]
    if len(options.names) != len(options.predictions):
        parser.error('give as many --names as results files')
    if len(set(options.names)) < len(options.names):
        parser.error('results files of one name; tell them apart with --names')
    return options


def threshold_index(iou: float) -> int:
    """Return the place of an IoU threshold among those that are measured.

    Raises:
        ValueError: it is none of 0.5, 0.55, ..., 0.95.
    """
    index = int(np.abs(IOU_THRESHOLDS - iou).argmin())
    if abs(IOU_THRESHOLDS[index] - iou) > 1e-6:
        raise ValueError(f'--iou {iou} is not measured; choose among 0.5, 0.55, ..., 0.95')
    return index


def ap_by_threshold(scores: TubeScores) -> np.ndarray:
    """Return (T,) AP at each IoU threshold, the mean over the classes that have ground truth."""
    ap = scores.ap[:, 0]
    valid = ap[:, 0] > -1
    return ap[valid].mean(axis=0) if valid.any() else np.zeros(len(IOU_THRESHOLDS))


def draw_ap_by_threshold(axes: Axes, scores: Scores, kind: str) -> None:
    """Draw AP against the IoU threshold, a line for each results file."""
    for name, measured in scores.items():
        ap = 100 * ap_by_threshold(measured[kind])
        axes.plot(IOU_THRESHOLDS, ap, marker='o', markersize=3, label=f'{name} ({ap.mean():.1f})')
    axes.set(xlabel='IoU threshold', ylabel=f'{TITLES[kind]} (%)', xlim=(0.48, 0.97))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize='small')


def draw_precision_recall(
    axes: Axes, curves: Mapping[str, np.ndarray], ious: Sequence[float], title: str
) -> None:
    """Draw precision against recall.

    Args:
        axes: where to.
        curves: (T, R) precision of each results file.
        ious: thresholds to show, each in a line style of its own.
        title: of the plot.
    """
    for color, (name, precision) in enumerate(curves.items()):
        for style, iou in enumerate(ious):
            axes.plot(
                RECALL_POINTS,
                precision[threshold_index(iou)],
                color=f'C{color % 10}',
                linestyle=LINES[style % len(LINES)],
                label=f'{name}, IoU {iou:g}',
            )
    axes.set(xlabel='recall', ylabel='precision', xlim=(0, 1), ylim=(0, 1.02), title=title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize='x-small')


def plot_all(scores: Scores, categories: Mapping[int, str], options: argparse.Namespace) -> None:
    """Write all plots."""
    options.out_dir.mkdir(parents=True, exist_ok=True)
    kinds = list(TITLES)

    def new_figure() -> np.ndarray:
        return plt.subplots(1, len(kinds), figsize=(10, 4), constrained_layout=True)[1]

    def save(name: str) -> None:
        path = options.out_dir / f'{name}.{options.format}'
        plt.savefig(path, dpi=150)
        plt.close()
        print(path)

    for axes, kind in zip(new_figure(), kinds):
        draw_ap_by_threshold(axes, scores, kind)
    save('ap_vs_iou')
    for axes, kind in zip(new_figure(), kinds):
        curves = {name: own[kind].pooled_precision for name, own in scores.items()}
        draw_precision_recall(axes, curves, options.iou, f'{TITLES[kind]}, all classes pooled')
    save('precision_recall_pooled')
    first = next(iter(scores.values()))[kinds[0]]  # all have the rows of the ground truth
    for category, precision in zip(first.category_ids, first.precision):
        shown = not options.classes or categories[category] in options.classes
        if not shown or precision.min() < 0:  # no ground truth
            continue
        curves = {
            kind: {
                name: own[kind].precision[own[kind].row_of(category)][0]
                for name, own in scores.items()
            }
            for kind in kinds
        }
        for axes, kind in zip(new_figure(), kinds):
            title = f'{TITLES[kind]}, {readable(categories[category], str(category))}'
            draw_precision_recall(axes, curves[kind], options.iou, title)
        save('precision_recall_' + re.sub(r'\W+', '_', categories[category]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    options = parse_args(arguments)
    try:
        use_font(options.font)
        for iou in options.iou:
            threshold_index(iou)
        truth = load_ground_truth(options.ground_truth)
        unknown = set(options.classes or ()) - set(truth.categories.values())
        if unknown:
            raise ValueError(f'{options.ground_truth}: no category is called {min(unknown)!r}')
        scores = {
            name: evaluate_tracks(truth, load_predictions(path, truth), jobs=options.jobs)
            for name, path in zip(options.names, options.predictions)
        }
        with plt.rc_context(chart_fonts([*scores, *truth.categories.values()])):
            plot_all(scores, truth.categories, options)
    except (ValueError, OSError) as error:
        print('error:', ' '.join(str(error).split()), file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())

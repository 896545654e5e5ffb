"""Draw the pictures of docs/metrics.md, whose numbers are computed by the metrics.

python tools/misc/draw_metric_pictures.py [--out-dir docs/images]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from pycocotools import mask as mask_utils

from rocovis_mm.console import print_anything
from rocovis_mm.evaluation.functional.average_precision import RECALL_POINTS, precision_recall
from rocovis_mm.evaluation.functional.boundary import boundary_width, tube_boundary
from rocovis_mm.evaluation.functional.consistency import flicker_of, jitter_of
from rocovis_mm.evaluation.functional.oracle_gaps import oracle_gaps
from rocovis_mm.evaluation.functional.quality_report import gap_segments
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track, mean_area
from rocovis_mm.evaluation.functional.tube_iou import limit_by_boundary, mask_tube_iou
from rocovis_mm.formats.run_lengths import Tube
from rocovis_mm.formats.vis_annotations import VISVideo
from rocovis_mm.visualization.palette import GAP_COLORS, identity_color

HEIGHT, WIDTH = 180, 320
WANTED, FOUND, BOTH = (0.84, 0.37, 0.0), (0.0, 0.45, 0.7), (0.75, 0.75, 0.75)


def ellipse(x: float, y: float, radii: tuple[float, float], bumps: float = 0.0) -> np.ndarray:
    """Return a (HEIGHT, WIDTH) bool mask; `bumps` makes its edge wavy, in shares of the radius."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    dx, dy = (columns - x) / radii[0], (rows - y) / radii[1]
    return np.hypot(dx, dy) < 1 + bumps * np.sin(9 * np.arctan2(dy, dx))


def tube(masks: list[np.ndarray | None]) -> Tube:
    """Return the tube of masks, one per frame."""
    counts = [
        None
        if mask is None
        else mask_utils.encode(np.asfortranarray(mask, dtype=np.uint8))['counts'].decode()
        for mask in masks
    ]
    return Tube.from_counts(HEIGHT, WIDTH, counts)


def boundary_of(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a mask that Tube-Boundary AP scores."""
    runs = tube_boundary(tube([mask]))
    line = np.zeros(HEIGHT * (WIDTH + 2 * boundary_width(HEIGHT, WIDTH)), dtype=bool)
    for start, end in zip(runs.starts, runs.ends):
        line[start:end] = True
    return line[: HEIGHT * WIDTH].reshape(WIDTH, HEIGHT).T


def ious(wanted: list, found: list) -> tuple[float, float]:
    """Return the mask tube IoU and the tube IoU limited by the boundary."""
    truths, predictions = [tube(wanted)], [tube(found)]
    masks = mask_tube_iou(predictions, truths)
    limited = limit_by_boundary(masks, predictions, truths, [False], floor=0)
    return float(masks[0, 0]), float(limited[0, 0])


def overlay(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return an RGB picture of two masks."""
    picture = np.ones((HEIGHT, WIDTH, 3))
    picture[wanted], picture[found], picture[wanted & found] = WANTED, FOUND, BOTH
    return picture


def show(axes: plt.Axes, picture: np.ndarray, title: str) -> None:
    """Put a picture and its title in place."""
    axes.imshow(picture)
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])


def draw_boundary(path: Path) -> None:
    """Draw an error that lowers a boundary IoU much more than a mask IoU."""
    wanted, found = ellipse(160, 90, (95, 62), 0.09), ellipse(160, 90, (95, 62))
    mask_iou, boundary_iou = ious([wanted], [found])
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.7), layout='constrained')
    show(axes[0], overlay(wanted, found), f'masks: IoU {mask_iou:.2f}')
    show(
        axes[1],
        overlay(boundary_of(wanted), boundary_of(found)),
        f'their boundaries, {boundary_width(HEIGHT, WIDTH)} pixels wide: IoU {boundary_iou:.2f}',
    )
    figure.supxlabel('orange: annotation, blue: prediction, grey: both', fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_tubes(path: Path) -> None:
    """Draw that a tube IoU counts pixels over all frames."""
    frames = range(5)
    wanted = [ellipse(70 + 40 * t, 90, (40, 40)) for t in frames]
    found = [mask if t < 3 else None for t, mask in enumerate(wanted)]
    empty = np.zeros((HEIGHT, WIDTH), dtype=bool)
    figure, axes = plt.subplots(1, 5, figsize=(10, 1.7), layout='constrained')
    for t in frames:
        show(axes[t], overlay(wanted[t], empty if found[t] is None else found[t]), f'frame {t}')
    iou = ious(wanted, found)[0]
    figure.supxlabel(f'found in three frames of five, lost in two: tube IoU {iou:.2f}', fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_pooled(path: Path) -> None:
    """Draw that AP^Pool ranks the classes together, so that scores must compare."""
    hits = {'cat': [1, 1, 1, 0], 'dog': [1, 0, 0, 1]}
    cat = [0.8, 0.7, 0.6, 0.2]
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.7), layout='constrained', sharey=True)
    both = {'overconfident': [0.99, 0.98, 0.97, 0.96], 'comparable': [0.75, 0.3, 0.25, 0.22]}
    for column, (name, dog) in zip(axes, both.items()):
        scores, ap = dict(cat=cat, dog=dog), {}
        for label in (*hits, 'all together'):
            chosen = hits if label == 'all together' else [label]
            value = np.concatenate([scores[one] for one in chosen])
            right = np.concatenate([hits[one] for one in chosen]).astype(bool)[None]
            positives = sum(3 for _ in chosen)
            curve = precision_recall(value, right, np.zeros_like(right), positives)[0][0]
            ap[label] = curve.mean()
            style = dict(lw=2.5, color='black') if label == 'all together' else dict(lw=1.2)
            column.plot(RECALL_POINTS, curve, label=f'{label}: {100 * ap[label]:.0f}', **style)
        mean = 50 * (ap['cat'] + ap['dog'])
        column.set_title(
            f'{name} scores of dogs: AP {mean:.0f}, AP$^{{Pool}}$ {100 * ap["all together"]:.0f}',
            fontsize=9,
        )
        column.set_xlabel('recall')
        column.legend(fontsize=8)
    axes[0].set_ylabel('precision')
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_gaps(path: Path) -> None:
    """Draw a results file with one fault of each kind and the AP that each costs."""
    frames = range(5)
    cats = [[ellipse(40 + 8 * t, y, (28, 28)) for t in frames] for y in (50, 130)]
    dog = [ellipse(160, 90 + 5 * t, (30, 40)) for t in frames]
    bird = [ellipse(270, 90, (38, 50)) for _ in frames]
    wanted = [('cat', cats[0]), ('cat', cats[1]), ('dog', dog), ('bird', bird)]
    switched = [[cats[(t > 2) ^ own][t] for t in frames] for own in (0, 1)]
    small = [ellipse(270, 90, (31, 41)) for _ in frames]
    stray = [ellipse(295, 20, (12, 12)) for _ in frames]
    found = [('cat', switched[0]), ('cat', switched[1]), ('cat', dog), ('bird', small)]
    found.append(('bird', stray))
    names = ['cat', 'dog', 'bird']

    def tracks(own: list, scores: list[float]) -> list[Track]:
        tubes = [tube(masks) for _, masks in own]
        return [
            Track(i, 1, names.index(name), one, mean_area(one.areas), score)
            for i, ((name, _), one, score) in enumerate(zip(own, tubes, scores))
        ]

    video = VISVideo(1, HEIGHT, WIDTH, len(frames))
    truth = GroundTruth('made', {1: video}, dict(enumerate(names)), tracks(wanted, [0] * 4))
    segments = gap_segments(oracle_gaps(truth, tracks(found, [0.9, 0.8, 0.7, 0.6, 0.95])).summary())
    figure, axes = plt.subplots(1, 5, figsize=(10, 2.6))
    figure.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.36, wspace=0.05)
    for t in frames:
        picture = np.ones((HEIGHT, WIDTH, 3))
        for index, (_, masks) in enumerate(found):
            picture[masks[t]] = np.array(identity_color(index)) / 255
        for _, masks in wanted:
            picture[masks[t] & ~erosion(masks[t])] = 0
        show(axes[t], picture, f'frame {t}')
    bar, left = figure.add_axes((0.02, 0.19, 0.96, 0.12)), 0.0
    for title, share in segments.items():
        bar.barh(0, share, left=left, color=GAP_COLORS[title], label=f'{title} {100 * share:.1f}')
        left += share
    bar.set(xlim=(0, 1))
    bar.axis('off')
    figure.legend(*bar.get_legend_handles_labels(), ncols=5, loc='lower center', frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def erosion(mask: np.ndarray) -> np.ndarray:
    """Return a mask without its outermost pixels."""
    padded = np.pad(mask, 1)
    return padded[2:, 1:-1] & padded[:-2, 1:-1] & padded[1:-1, 2:] & padded[1:-1, :-2]


def draw_consistency(path: Path) -> None:
    """Draw a steady, a displaced, a shaking and a flickering prediction of a moving object."""
    frames = range(5)

    def moved(dx: float = 0, shake: float = 0) -> list[np.ndarray]:
        return [ellipse(70 + 40 * t + dx + shake * (-1) ** t, 90, (40, 50), 0.08) for t in frames]

    wanted = moved()
    rows = {
        'steady copy': wanted,
        'constant offset': moved(dx=6),
        'shaking mask': moved(shake=6),
        'dropped frame': [None if t == 2 else mask for t, mask in enumerate(wanted)],
    }
    empty = np.zeros((HEIGHT, WIDTH), dtype=bool)
    figure, axes = plt.subplots(len(rows), 5, figsize=(10, 5.2), layout='constrained')
    for line, (name, found) in zip(axes, rows.items()):
        tubes = tube(found), tube(wanted)
        jitter, flicker = jitter_of(*tubes), flicker_of(*tubes)[0]
        for t in frames:
            own = empty if found[t] is None else found[t]
            show(line[t], overlay(wanted[t], own), '')
        line[0].set_ylabel(f'{name}\njitter {jitter:.2f}\nflicker {flicker:.2f}', fontsize=9)
    figure.supxlabel('orange: annotation, blue: prediction, grey: both', fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Draw all pictures."""
    print_anything()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--out-dir', type=Path, default=Path('docs/images'))
    folder = parser.parse_args().out_dir
    folder.mkdir(parents=True, exist_ok=True)
    draw_boundary(folder / 'metric_boundary.png')
    draw_tubes(folder / 'metric_tube.png')
    draw_pooled(folder / 'metric_pooled.png')
    draw_gaps(folder / 'metric_gaps.png')
    draw_consistency(folder / 'metric_consistency.png')


if __name__ == '__main__':
    main()

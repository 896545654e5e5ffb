"""Draw the pictures of docs/metrics.md, whose numbers are computed by the metrics.

python tools/misc/draw_metric_pictures.py [--out-dir docs/images]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
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
from rocovis_mm.evaluation.functional.tracking.summary import Fields, evaluate_tracking
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

    video = VISVideo(1, HEIGHT, WIDTH, len(frames))
    truth = GroundTruth('made', {1: video}, dict(enumerate(names)), tracks(wanted, names))
    scores = [0.9, 0.8, 0.7, 0.6, 0.95]
    segments = gap_segments(oracle_gaps(truth, tracks(found, names, scores)).summary())
    figure, axes = plt.subplots(1, 5, figsize=(10, 2.6))
    figure.subplots_adjust(left=0.01, right=0.99, top=0.92, bottom=0.36, wspace=0.05)
    for t in frames:
        masks = [[own[t] for _, own in side] for side in (wanted, found)]
        show(axes[t], identities_over(*masks), f'frame {t}')
    bar, left = figure.add_axes((0.02, 0.19, 0.96, 0.12)), 0.0
    for title, share in segments.items():
        bar.barh(0, share, left=left, color=GAP_COLORS[title], label=f'{title} {100 * share:.1f}')
        left += share
    bar.set(xlim=(0, 1))
    bar.axis('off')
    figure.legend(*bar.get_legend_handles_labels(), ncols=5, loc='lower center', frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def tracks(
    own: list[tuple[str, list]], names: list[str], scores: list[float] | None = None
) -> list[Track]:
    """Return tracks of video 1 from the classes and the masks of each."""
    tubes = [tube(masks) for _, masks in own]
    return [
        Track(i, 1, names.index(name), one, mean_area(one.areas), scores[i] if scores else 0.0)
        for i, ((name, _), one) in enumerate(zip(own, tubes))
    ]


def identities_over(wanted: list, found: list) -> np.ndarray:
    """Return an RGB picture of a frame: predictions in their colours, annotations as outlines."""
    picture = np.ones((HEIGHT, WIDTH, 3))
    for identity, mask in enumerate(found):
        if mask is not None:
            picture[mask] = np.array(identity_color(identity)) / 255
    for mask in wanted:
        picture[mask & ~erosion(mask)] = 0
    return picture


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


def two_discs() -> tuple[list, list]:
    """Return the masks of two discs that move in parallel through five frames."""
    upper, lower = ([ellipse(60 + 50 * t, y, (32, 32)) for t in range(5)] for y in (48, 132))
    return upper, lower


def draw_tracking(path: Path, rows: dict[str, list[list]], told: Callable[[Fields], str]) -> None:
    """Draw predictions of two discs, one row each, and what the tracking metrics say.

    Args:
        path: of the picture.
        rows: title -> the masks of each predicted track, an entry per frame.
        told: the text of a row from its figures.
    """
    wanted = two_discs()
    video = VISVideo(1, HEIGHT, WIDTH, 5)
    truth = GroundTruth('made', {1: video}, {0: ''}, tracks([('', own) for own in wanted], ['']))
    size = (9, 0.2 + 1.02 * len(rows))
    figure, axes = plt.subplots(len(rows), 5, figsize=size, layout='constrained')
    for line, (title, found) in zip(axes, rows.items()):
        predictions = tracks([('', own) for own in found], [''], [0.9] * len(found))
        figures = evaluate_tracking(truth, predictions)['segm'].class_averaged
        for t, each in enumerate(line):
            show(each, identities_over([x[t] for x in wanted], [x[t] for x in found]), '')
        label = dict(rotation=0, ha='right', va='center', fontsize=9)
        line[0].set_ylabel(f'{title}\n{told(figures)}', **label)
    figure.supxlabel('outline: annotation, colour: identity of the prediction', fontsize=9)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def during(masks: list, first: int, last: int) -> list:
    """Return the masks of the frames from `first` to `last`, None for the others."""
    return [mask if first <= t <= last else None for t, mask in enumerate(masks)]


def draw_hota(path: Path) -> None:
    """Draw that detection errors lower DetA, and association errors AssA alone."""
    upper, lower = two_discs()

    def told(figures: Fields) -> str:
        means = {name: figures['HOTA'][name].mean() for name in ('DetA', 'AssA', 'HOTA')}
        return '\n'.join(f'{name} {value:.2f}' for name, value in means.items())

    rows = {
        'copy': [upper, lower],
        'missed object': [upper],
        'split track': [during(upper, 0, 2), lower, during(upper, 3, 4)],
        'switch': [upper[:3] + lower[3:], lower[:3] + upper[3:]],
    }
    draw_tracking(path, rows, told)


def draw_clear(path: Path) -> None:
    """Draw the four errors that CLEAR MOT counts."""
    upper, lower = two_discs()

    def told(figures: Fields) -> str:
        own = figures['CLEAR']
        counts = dict(FN=own['CLR_FN'], FP=own['CLR_FP'], IDSW=own['IDSW'], Frag=own['Frag'])
        words = [f'{name} {count:.0f}' for name, count in counts.items() if count]
        return f'{", ".join(words)}\nMOTA {own["MOTA"]:.2f}'

    stray = [None, None, *(ellipse(30 + 40 * t, 90, (20, 20)) for t in range(3))]
    rows = {
        'missed at the end': [upper, during(lower, 0, 2)],
        'stray track': [upper, lower, stray],
        'switch': [upper[:3] + lower[3:], lower[:3] + upper[3:]],
        'interruption': [upper, [None if t == 2 else mask for t, mask in enumerate(lower)]],
    }
    draw_tracking(path, rows, told)


def draw_identity(path: Path) -> None:
    """Draw that Identity counts the frames of the wrong identity, not the changes."""
    upper, lower = two_discs()

    def told(figures: Fields) -> str:
        own = figures['Identity']
        return f'IDTP {own["IDTP"]:.0f} of 10\nIDF1 {own["IDF1"]:.2f}'

    rows = {
        'change at the end': [during(upper, 0, 3), lower, during(upper, 4, 4)],
        'change in the middle': [during(upper, 0, 2), lower, during(upper, 3, 4)],
        'two changes': [
            [None if t == 2 else mask for t, mask in enumerate(upper)],
            lower,
            during(upper, 2, 2),
        ],
    }
    draw_tracking(path, rows, told)


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
    draw_hota(folder / 'metric_hota.png')
    draw_clear(folder / 'metric_clear.png')
    draw_identity(folder / 'metric_identity.png')


if __name__ == '__main__':
    main()

"""Time and memory of the metrics: run lengths against decode-and-erode, and against TrackEval.

    python tools/analysis_tools/benchmark_metrics.py
    python tools/analysis_tools/benchmark_metrics.py --ground-truth GT.json --predictions PRED.json
    python tools/analysis_tools/benchmark_metrics.py --ovis --jobs 2 --no-naive --no-trackeval

Makes a workload (or takes yours), scores it with rocovis_mm and with a straightforward
implementation, which decodes each mask, erodes it with OpenCV and encodes the boundary again, in
the same process and on one thread each. Prints the ratio, peak memory against the size of the
decoded json files, and with --growth how the time grows with each size. HOTA, CLEAR and Identity
are also measured with TrackEval (pip install --no-deps trackeval==1.3.0), which has to give the
same figures. --ovis takes the size of OVIS' validation set.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from pycocotools import mask as mask_utils  # noqa: E402
from trackeval_scores import has_trackeval, score_folders, write_folders

from rocovis_mm.console import print_anything, text_table
from rocovis_mm.evaluation.functional.boundary import boundary_width
from rocovis_mm.evaluation.functional.evaluate import (
    TubeScores,
    evaluate_tracks,
    group_by_video,
    rank,
)
from rocovis_mm.evaluation.functional.tracking.summary import TrackingScores, evaluate_tracking
from rocovis_mm.evaluation.functional.tracks import (
    load_ground_truth,
    load_predictions,
)
from rocovis_mm.formats.run_lengths import Tube

Files = tuple[Path, Path]
"""Annotation file and results file."""
SCORING_TOOL = Path(__file__).resolve().parents[1] / 'eval_results.py'
EVERYTHING = ('--tracking', '--errors', '--gaps', '--consistency')
OVIS = dict(videos=140, frames=70, height=1080, width=1920, tracks=5, predictions='10', classes=25)
"""Size of the validation set of OVIS, with ten predictions a video."""
SIZES = ('videos', 'frames', 'height', 'width', 'tracks', 'predictions')


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--videos', type=int, default=12)
    parser.add_argument('--frames', type=int, default=27, help='per video')
    parser.add_argument('--height', type=int, default=720)
    parser.add_argument('--width', type=int, default=1280)
    parser.add_argument('--tracks', type=int, default=3, help='ground truths per video')
    parser.add_argument('--predictions', default='10', help='per video, or a results file')
    parser.add_argument('--ground-truth', help='annotation file, to measure real files')
    parser.add_argument('--classes', type=int, default=5)
    parser.add_argument('--jobs', type=int, default=1, help='processes, of ours only')
    parser.add_argument('--repeats', type=int, default=3, help='the best of so many counts')
    parser.add_argument('--no-naive', action='store_true', help='no decode and erode')
    parser.add_argument('--no-trackeval', action='store_true', help='no TrackEval')
    parser.add_argument('--everything', action='store_true', help='also the scoring tool with '
        f'{" ".join(EVERYTHING)}')  # fmt: skip
    parser.add_argument('--ovis', action='store_true', help="the size of OVIS' validation set, and "
        '--everything')  # fmt: skip
    parser.add_argument('--growth', action='store_true', help='also double each size in turn')
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args(arguments)
    if options.ovis:
        vars(options).update(OVIS, everything=True)
    return options


def object_outlines(
    rng: np.random.Generator, frames: int, height: int, width: int
) -> list[np.ndarray | None]:
    """Return an object that moves, turns and deforms, and is out of sight for a while.

    Returns:
        An outline (V, 2) of x, y in pixels for each frame, or None.
    """
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    waves = [rng.normal(0, 0.25 / k) * np.cos(k * angles + rng.random() * 6) for k in (2, 3, 5, 9)]
    radius = rng.uniform(0.03, 0.15) * np.sqrt(height * width)
    place = rng.uniform(0.2, 0.8, 2) * (width, height)
    speed = rng.normal(0, 0.3 * radius, 2) / np.sqrt(frames)
    hidden = rng.integers(frames + 1)
    outlines: list[np.ndarray | None] = []
    for frame in range(frames):
        reach = radius * (1 + sum(waves)) * (1 + 0.1 * np.sin(frame / 3 + angles))
        turn = angles + 0.03 * frame
        outline = place + np.stack([reach * np.cos(turn), reach * np.sin(turn)], axis=1)
        outlines.append(None if hidden <= frame < hidden + frames // 6 else outline)
        place = place + speed
    return outlines


def imitate(rng: np.random.Generator, outlines: list[np.ndarray | None]) -> list[np.ndarray | None]:
    """Return outlines like those of a track: a little off, sometimes lost."""
    size, noise = rng.uniform(0.85, 1.15), rng.uniform(0, 3)
    return [
        None
        if outline is None or rng.random() < 0.1
        else outline.mean(axis=0)
        + size * (outline - outline.mean(axis=0))
        + rng.normal(0, noise, outline.shape)
        for outline in outlines
    ]


def draw(outlines: list[np.ndarray | None], height: int, width: int) -> list[dict | None]:
    """Return the run lengths of outlines as json holds them. No image is drawn."""
    masks: list[dict | None] = []
    for outline in outlines:
        if outline is None:
            masks.append(None)
        else:
            inside = np.clip(outline, 0, (width, height))
            (code,) = mask_utils.frPyObjects([inside.ravel().tolist()], height, width)
            masks.append({'size': [height, width], 'counts': code['counts'].decode()})
    return masks


def make_workload(folder: Path, options: argparse.Namespace) -> Files:
    """Write an annotation file and a results file of the given sizes."""
    rng = np.random.default_rng(options.seed)
    truth: dict[str, list] = {'videos': [], 'annotations': [], 'categories': []}
    truth['categories'] = [{'id': k + 1, 'name': f'class{k + 1}'} for k in range(options.classes)]
    results = []
    for video in range(1, options.videos + 1):
        size = dict(height=options.height, width=options.width)
        truth['videos'].append(dict(id=video, length=options.frames, **size))
        tracks = []
        for _ in range(options.tracks):
            outlines = object_outlines(rng, options.frames, **size)
            category = int(rng.integers(1, options.classes + 1))
            tracks.append((category, outlines))
            truth['annotations'].append(
                dict(
                    id=len(truth['annotations']) + 1,
                    video_id=video,
                    category_id=category,
                    iscrowd=0,
                    segmentations=draw(outlines, **size),
                )
            )
        for index in range(int(options.predictions)):
            category, outlines = tracks[index % len(tracks)]
            if rng.random() < 0.2:
                category = int(rng.integers(1, options.classes + 1))
            results.append(
                dict(
                    video_id=video,
                    category_id=category,
                    score=float(rng.random()),
                    segmentations=draw(imitate(rng, outlines), **size),
                )
            )
    files = folder / 'truth.json', folder / 'results.json'
    for path, content in zip(files, (truth, results)):
        path.write_text(json.dumps(content))
    return files


def score(files: Files, kind: str, jobs: int = 1) -> TubeScores:
    """Score with rocovis_mm, from file to figures."""
    truth = load_ground_truth(files[0])
    return evaluate_tracks(truth, load_predictions(files[1], truth), [kind], jobs)[kind]


def score_tracks(files: Files, jobs: int = 1) -> TrackingScores:
    """Return HOTA, CLEAR and Identity with rocovis_mm, from file to figures."""
    truth = load_ground_truth(files[0])
    return evaluate_tracking(truth, load_predictions(files[1], truth), jobs=jobs)['segm']


def score_everything(files: Files, jobs: int) -> None:
    """Run the scoring tool with `EVERYTHING` in a process of its own, as a user does."""
    command = [sys.executable, SCORING_TOOL, *files, *EVERYTHING, '--jobs', str(jobs)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def naive_boundaries(tube: Tube) -> list[dict[str, Any] | None]:
    """Return each frame's boundary by decoding, eroding with 3x3 and encoding again."""
    iterations = boundary_width(tube.height, tube.width)
    boundaries: list[dict[str, Any] | None] = []
    for code in naive_masks(tube):
        if code is None:
            boundaries.append(None)
            continue
        mask = mask_utils.decode(code)
        padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=iterations)
        boundaries.append(mask_utils.encode(np.asfortranarray(mask - eroded[1:-1, 1:-1])))
    return boundaries


def naive_iou(first: list[dict | None], second: list[dict | None]) -> float:
    """Return the IoU of two lists of masks, frame by frame."""
    common = united = 0.0
    for a, b in zip(first, second):
        if a and b:
            common += mask_utils.area(mask_utils.merge([a, b], True))
            united += mask_utils.area(mask_utils.merge([a, b], False))
        elif a or b:
            united += mask_utils.area(a or b)
    return common / united if united else 0.0


def naive_ious(files: Files) -> list[float]:
    """Return min(mask IoU, boundary IoU) of each pair of one video and class, from the files.

    The boundaries of all tracks are made first, as the official tool makes them when it loads.
    """
    truth = load_ground_truth(files[0])
    groups = group_by_video(truth, load_predictions(files[1], truth))
    boundaries = {
        id(track): naive_boundaries(track.tube)
        for group in groups
        for own in group
        for track in own
    }
    ious = []
    for wanted, found in groups:
        for a in rank(found):
            for b in wanted:
                if a.category_id == b.category_id:
                    masks = naive_iou(naive_masks(a.tube), naive_masks(b.tube))
                    outlines = naive_iou(boundaries[id(a)], boundaries[id(b)])
                    ious.append(min(masks, outlines))
    return ious


def naive_masks(tube: Tube) -> list[dict[str, Any] | None]:
    """Return each frame's run-length code, or None."""
    size = [tube.height, tube.width]
    return [{'size': size, 'counts': counts} if counts else None for counts in tube.counts]


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """Return the shortest time of several runs."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def peak_bytes(function: Callable[[], Any]) -> int:
    """Return the most memory that Python and numpy held during a run."""
    tracemalloc.start()
    result = function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del result
    return peak


def decoded_bytes(files: Files) -> int:
    """Return the size of both json files once decoded."""
    tracemalloc.start()
    contents = [json.loads(path.read_text()) for path in files]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del contents
    return size


def measure(files: Files, options: argparse.Namespace) -> list[list[str]]:
    """Return the rows of the table for one pair of files."""
    decoded = decoded_bytes(files)
    rows = tracking_rows(files, options)
    if options.everything:
        spent = seconds(lambda: score_everything(files, options.jobs), 1)
        rows.append([f'all of it ({" ".join(EVERYTHING)})', f'{spent:.2f} s', '', ''])
    for kind, name in (('segm', 'Video AP'), ('boundary', 'Tube-Boundary AP')):
        spent = seconds(lambda kind=kind: score(files, kind, options.jobs), options.repeats)
        peak = peak_bytes(lambda kind=kind: score(files, kind))
        share = f'{peak / 2**20:.1f} MiB = {peak / decoded:.2f} x decoded json'
        rows.append([name, f'{spent:.3f} s', share, ''])
    if not options.no_naive:
        slow = seconds(lambda: naive_ious(files), 1)
        rows.append(
            ['decode and erode', f'{slow:.2f} s', '', f'ours is {slow / spent:.0f} x faster']
        )
    return rows


def tracking_rows(files: Files, options: argparse.Namespace) -> list[list[str]]:
    """Return the rows of HOTA, CLEAR and Identity, TrackEval's among them.

    Raises:
        ValueError: TrackEval's HOTA is another one.
    """
    spent = seconds(lambda: score_tracks(files, options.jobs), options.repeats)
    truth = load_ground_truth(files[0])
    found = load_predictions(files[1], truth)
    alone = seconds(lambda: evaluate_tracking(truth, found, jobs=options.jobs), options.repeats)
    name, on_top = 'HOTA, CLEAR, Identity', f'{alone:.3f} s on top of AP'
    if options.no_trackeval:
        return [[name, f'{spent:.3f} s', '', on_top]]
    if not has_trackeval():
        hint = 'not installed: pip install --no-deps trackeval==1.3.0'
        return [[name, f'{spent:.3f} s', '', on_top], ['TrackEval', '', '', hint]]
    with tempfile.TemporaryDirectory() as folder:
        write_folders(truth, found, Path(folder))
        theirs: dict[str, Any] = {}
        slow = seconds(lambda: theirs.update(score_folders(Path(folder))), 1)
    own = score_tracks(files).class_averaged['HOTA']['HOTA']
    if not np.allclose(own, theirs['cls_comb_cls_av']['HOTA']['HOTA'], rtol=0, atol=1e-9):
        raise ValueError(f"{files[1]}: TrackEval's HOTA is another one; please report this")
    return [
        [name, f'{spent:.3f} s', '', on_top],
        ['TrackEval', f'{slow:.2f} s', '', f'ours is {slow / spent:.0f} x faster, equal figures'],
    ]


def growth_rows(folder: Path, options: argparse.Namespace) -> list[list[str]]:
    """Return Tube-Boundary AP's time with each size halved, as it is, and doubled."""
    rows = []
    for name in SIZES:
        row = [name]
        for factor in (0.5, 1, 2):
            value = max(1, int(int(getattr(options, name)) * factor))
            changed = argparse.Namespace(**{**vars(options), name: value})
            files = make_workload(folder, changed)
            spent = seconds(lambda files=files: score(files, 'boundary'), options.repeats)
            row.append(f'{value}: {spent:.3f} s')
        rows.append(row)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return its exit status."""
    print_anything()
    options = parse_args(arguments)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        if options.ground_truth:
            files = Path(options.ground_truth), Path(options.predictions)
        else:
            files = make_workload(Path(folder), options)
        megabytes = sum(path.stat().st_size for path in files) / 2**20
        print(f'json files of {megabytes:.1f} MiB, loading included, {options.jobs} process(es)')
        header = ['', 'time', 'peak memory', '']
        print(text_table([header, *measure(files, options)]))
        if options.growth:
            header = ['Tube-Boundary AP', 'half', 'as given', 'double']
            print(text_table([header, *growth_rows(Path(folder), options)]))
    return 0


if __name__ == '__main__':
    sys.exit(main())

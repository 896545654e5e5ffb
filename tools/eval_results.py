"""Score a video instance segmentation results file, from whatever code it comes.

    python tools/eval_results.py GT.json PRED.json --out metrics.json

Prints Video AP, Tube-Boundary AP and AP^Pool in percent, with --tracking also HOTA, CLEAR MOT and
Identity; --out takes them as fractions at full precision. Exit status 0 when scored (or packed), 2
with one line on stderr when not.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rocovis_mm.console import print_anything
from rocovis_mm.evaluation.functional.error_analysis import analyze_errors
from rocovis_mm.evaluation.functional.evaluate import KINDS, evaluate_tracks
from rocovis_mm.evaluation.functional.report import (
    class_table,
    error_table,
    group_table,
    name_pooled_stats,
    name_stats,
    per_class_stats,
    summary_table,
)
from rocovis_mm.evaluation.functional.score_groups import GROUPINGS, score_groups
from rocovis_mm.evaluation.functional.tracks import (
    MASK_SOURCES,
    GroundTruth,
    Track,
    load_ground_truth,
    load_predictions,
)
from rocovis_mm.formats.json_files import read_json, write_submission


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('ground_truth', help='annotation json of the benchmark (.gz, .zip allowed)')
    parser.add_argument('predictions', help='results json, or the zip that the servers take')
    parser.add_argument('--out', type=Path, help='write all figures to this json')
    parser.add_argument('--per-class', action='store_true', help='also each class on its own')
    parser.add_argument('--jobs', type=_positive, default=1, help='processes (default: 1)')
    parser.add_argument(
        '--subset-video-ids', type=Path, help='score these videos only: a json list, or ids as text'
    )
    parser.add_argument(
        '--mask-source',
        choices=MASK_SOURCES,
        default='official',
        help='HQ-YTVIS: masks from segmentations and boundaries from segmentations_refined as the '
        'official tool has it (default), or both from one of them',
    )
    parser.add_argument(
        '--errors', action='store_true', help='also count duplicates, wrong classes, misses, ...'
    )
    parser.add_argument(
        '--tracking',
        action='store_true',
        help='also HOTA, CLEAR MOT and Identity (TrackEval) of the masks, in per_class, too',
    )
    parser.add_argument(
        '--tracking-boundary',
        action='store_true',
        help='--tracking, and the same with min(mask IoU, boundary IoU) of each frame',
    )
    parser.add_argument(
        '--score-thr',
        type=_threshold,
        metavar='X|best',
        help='for --tracking: leave out predictions with scores below X, or below the threshold '
        'with the highest class-averaged HOTA (default: all count). AP always takes all',
    )
    parser.add_argument(
        '--group-by',
        choices=GROUPINGS,
        help='also score apart the videos of each tag, of each event that the masks show, or the '
        'degraded frames and the others (tags and degraded are keys of the videos)',
    )
    parser.add_argument(
        '--format-only',
        type=Path,
        metavar='PREFIX',
        help='no scoring: check the results and write PREFIX.json and PREFIX.zip for a server',
    )
    options = parser.parse_args(arguments)
    options.tracking |= options.tracking_boundary
    if options.score_thr is not None and not options.tracking:
        parser.error('--score-thr is for --tracking; add it, or drop the threshold')
    return options


def _threshold(text: str) -> float | str:
    if text == 'best':
        return text
    value = float(text) if text.strip() else math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f'{text!r} is neither a finite score nor "best"')
    return value


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{number} is not at least 1')
    return number


def read_video_ids(path: Path) -> list[int]:
    """Return the video ids in a file: a json list, or numbers set apart by blanks or commas.

    Raises:
        ValueError: the file holds no ids, or something else.
    """
    text = path.read_text(encoding='utf-8', errors='replace').strip()
    words = text.removeprefix('[').removesuffix(']').replace(',', ' ').split()
    try:
        ids = [int(word) for word in words]
    except ValueError as error:
        raise ValueError(f'{path}: not a list of video ids: {error}; write numbers') from None
    if not ids:
        raise ValueError(f'{path}: no video ids in it; write at least one')
    return list(dict.fromkeys(ids))


def pack(arguments: argparse.Namespace) -> None:
    """Check a results file against the videos and pack it for an evaluation server."""
    truth = load_ground_truth(arguments.ground_truth, need_annotations=False)
    results = read_json(arguments.predictions)
    load_predictions(results, truth, name=arguments.predictions)
    plain, packed = write_submission(results, arguments.format_only)
    print(f'{len(results)} predictions are valid; wrote {plain} and {packed}')


def score_tracking(
    arguments: argparse.Namespace,
    truth: GroundTruth,
    predictions: Sequence[Track],
    figures: dict[str, Any],
) -> list[str]:
    """Score the predictions as tracks, add the figures to `figures` and return the tables."""
    # Here, because scipy takes longer to import than small files take to score.
    from rocovis_mm.evaluation.functional.tracking import report

    kinds = KINDS if arguments.tracking_boundary else KINDS[:1]
    tracked = report.report_tracking(truth, predictions, kinds, arguments.score_thr, arguments.jobs)
    rows = report.merge_class_stats(figures.get('per_class', []), tracked.per_class)
    figures.update(tracked.figures(), per_class=rows)
    return tracked.tables + [report.tracking_class_table(rows)] * arguments.per_class


def score(arguments: argparse.Namespace) -> None:
    """Score a results file, print the tables and write the figures."""
    begin = time.perf_counter()
    truth = load_ground_truth(arguments.ground_truth, arguments.mask_source)
    predictions = load_predictions(arguments.predictions, truth)
    if arguments.subset_video_ids:
        truth = truth.subset(read_video_ids(arguments.subset_video_ids))
    scores = evaluate_tracks(truth, predictions, jobs=arguments.jobs)
    figures: dict[str, Any] = {**name_stats(scores), **name_pooled_stats(scores)}
    tables = [summary_table(figures)]
    if arguments.per_class:
        figures['per_class'] = per_class_stats(scores, truth.categories)
        tables.append(class_table(figures['per_class'], len(truth.categories)))
    if arguments.tracking:
        tables += score_tracking(arguments, truth, predictions, figures)
    if arguments.errors:
        figures['errors'] = analyze_errors(truth, predictions).summary()
        tables.append(error_table([Path(arguments.predictions).name], [figures['errors']]))
    if arguments.group_by:
        figures['groups'] = score_groups(
            arguments.ground_truth, arguments.group_by, truth, predictions, arguments.jobs
        )
        tables.append(group_table(figures['groups']))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')
    print(*tables, sep='\n')
    print(
        f'{len(truth.videos)} videos, {len(truth.tracks)} tracks, {len(predictions)} predictions '
        f'in {time.perf_counter() - begin:.2f} s'
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    options = parse_args(arguments)
    try:
        if options.format_only:
            pack(options)
        else:
            score(options)
    except (ValueError, OSError) as error:
        print('error:', ' '.join(str(error).split()), file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())

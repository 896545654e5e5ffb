"""Score a video instance segmentation results file, from whatever code it comes.

    python tools/eval_results.py GT.json PRED.json --out metrics.json

Prints Video AP, Tube-Boundary AP and AP^Pool in percent. --out takes them as fractions at full
precision, and --csv, --markdown and --latex take the tables. Exit status 0 when scored (or
packed), 2 with one line on stderr when not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rocovis_mm.console import print_anything
from rocovis_mm.evaluation.functional.error_analysis import analyze_errors
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.report import (
    Table,
    class_table,
    error_table,
    group_table,
    name_pooled_stats,
    name_stats,
    per_class_stats,
    rows_of_files,
    summary_table,
)
from rocovis_mm.evaluation.functional.score_groups import GROUPINGS, score_groups
from rocovis_mm.evaluation.functional.table_files import WRITERS, write_text
from rocovis_mm.evaluation.functional.tracks import (
    MASK_SOURCES,
    GroundTruth,
    Track,
    load_ground_truth,
    load_predictions,
)
from rocovis_mm.formats.json_files import read_json, write_submission

Figures = dict[str, Any]
"""All figures of a results file, as its json holds them."""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('ground_truth', help='annotation json of the benchmark (.gz, .zip allowed)')
    parser.add_argument('predictions', help='results json, or the zip that the servers take')
    parser.add_argument(
        '--out', '--json', type=Path, metavar='FILE', help='write all figures to this json'
    )
    for name in WRITERS:
        parser.add_argument(
            f'--{name}', type=Path, metavar='FILE', help=f'write the tables to this {name} file'
        )
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
    return parser.parse_args(arguments)


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


def measure(
    options: argparse.Namespace, truth: GroundTruth, predictions: Sequence[Track]
) -> Figures:
    """Return all figures of a results file that the options ask for."""
    scores = evaluate_tracks(truth, predictions, jobs=options.jobs)
    figures: Figures = {**name_stats(scores), **name_pooled_stats(scores)}
    if options.per_class:
        figures['per_class'] = per_class_stats(scores, truth.categories)
    if options.errors:
        figures['errors'] = analyze_errors(truth, predictions).summary()
    if options.group_by:
        figures['groups'] = score_groups(
            options.ground_truth, options.group_by, truth, predictions, options.jobs
        )
    return figures


def tabulate(
    options: argparse.Namespace, truth: GroundTruth, files: Mapping[str, Figures]
) -> list[Table]:
    """Return the tables that are printed and written, each with a row for each results file."""
    tables = [summary_table(files)]
    if options.per_class:
        tables.append(class_table(rows_of_files(files, 'per_class'), len(truth.categories)))
    if options.errors:
        tables.append(error_table(list(files), [own['errors'] for own in files.values()]))
    if options.group_by:
        tables.append(group_table(rows_of_files(files, 'groups')))
    return tables


def score(options: argparse.Namespace) -> None:
    """Score a results file, print the tables and write the files."""
    begin = time.perf_counter()
    truth = load_ground_truth(options.ground_truth, options.mask_source)
    predictions = load_predictions(options.predictions, truth)
    if options.subset_video_ids:
        truth = truth.subset(read_video_ids(options.subset_video_ids))
    name = Path(options.predictions).name
    figures = measure(options, truth, predictions)
    tables = tabulate(options, truth, {name: figures})
    if options.out:
        write_text(options.out, json.dumps(figures, indent=1) + '\n')
    for kind, write in WRITERS.items():
        path = getattr(options, kind)
        if path:
            write_text(path, write(tables, name))
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

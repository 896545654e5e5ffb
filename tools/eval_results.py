"""Score video instance segmentation results files, from whatever code they come.

    python tools/eval_results.py GT.json PRED.json --out metrics.json
    python tools/eval_results.py GT.json A.json --compare B.json C.json --latex table.tex

Prints Video AP, Tube-Boundary AP and AP^Pool in percent, with --tracking also HOTA, CLEAR MOT and
Identity. --out takes them as fractions at full precision, and --csv, --markdown and --latex take
the tables. Exit status 0 when scored (or packed), 2 with one line on stderr when not.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rocovis_mm.console import print_anything
from rocovis_mm.evaluation.functional.comparison import compare_files, difference_table, json_of
from rocovis_mm.evaluation.functional.consistency import (
    summarize_consistency,
    track_consistency,
)
from rocovis_mm.evaluation.functional.diagnostics import (
    nothing_to_score,
    read_results,
    read_truth,
    videos_without,
)
from rocovis_mm.evaluation.functional.error_analysis import analyze_errors
from rocovis_mm.evaluation.functional.evaluate import KINDS, accumulate_kinds, match_videos
from rocovis_mm.evaluation.functional.quality_report import consistency_table, gap_table
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
from rocovis_mm.evaluation.functional.score_groups import GROUPINGS, VideoCells, score_groups
from rocovis_mm.evaluation.functional.table_files import WRITERS, name_files, write_text
from rocovis_mm.evaluation.functional.tracks import MASK_SOURCES, GroundTruth, Track
from rocovis_mm.formats.id_files import read_groups, read_video_ids
from rocovis_mm.formats.json_files import read_json, write_submission

if TYPE_CHECKING:
    from rocovis_mm.evaluation.functional.tracking.summary import VideoCounts

Figures = dict[str, Any]
"""All figures of a results file, as its json holds them."""


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('ground_truth', help='annotation json of the benchmark (.gz, .zip allowed)')
    add('predictions', help='results json, or the zip that the servers take')
    add('--out', '--json', type=Path, metavar='FILE', help='write all figures to this json')
    for name in WRITERS:
        add(f'--{name}', type=Path, metavar='FILE', help=f'write all tables to this {name} file')
    add('--compare', nargs='+', default=[], metavar='RESULTS', help='more results of the same '
        'videos: side by side, with the differences from the first and their 95 %% intervals (a '
        'paired bootstrap over videos)')  # fmt: skip
    add('--per-class', action='store_true', help='also each class on its own')
    add('--jobs', type=_positive, default=1, help='processes (default: 1)')
    add('--subset-video-ids', type=Path, metavar='FILE',
        help='score these videos only: a json list, or ids as text')  # fmt: skip
    add('--mask-source', choices=MASK_SOURCES, default='official', help='HQ-YTVIS: masks from '
        'segmentations and boundaries from segmentations_refined as the official tool has it '
        '(default), or both from one of them')  # fmt: skip
    add('--errors', action='store_true', help='also count duplicates, wrong classes, misses, ...')
    add('--tracking', action='store_true', help='also HOTA, CLEAR MOT and Identity (TrackEval) of '
        'the masks, in per_class, too')  # fmt: skip
    add('--tracking-boundary', action='store_true',
        help='--tracking, and the same with min(mask IoU, boundary IoU) of each frame')  # fmt: skip
    add('--score-thr', type=_threshold, metavar='X|best', help='for --tracking: leave out '
        'predictions with scores below X, or below the threshold with the highest class-averaged '
        'HOTA (default: all count). AP always takes all')  # fmt: skip
    add('--gaps', action='store_true',
        help='also measure how much AP is lost to tracking, classes and masks')  # fmt: skip
    add('--consistency', action='store_true', help='also measure jitter and flicker of tracks')
    add('--group-by', nargs='+', choices=GROUPINGS, default=[], help='also score groups apart: '
        'videos by tag, by event in the masks or by length, degraded frames and the others, '
        'tracks by occlusion or size, base and novel categories')  # fmt: skip
    add('--groups-file', type=Path, metavar='FILE',
        help='also groups of videos: a json of name -> video ids')  # fmt: skip
    add('--category-groups', type=Path, metavar='FILE',
        help='also groups of categories: a json of name -> category ids')  # fmt: skip
    add('--format-only', type=Path, metavar='PREFIX', help='no scoring: check the results and '
        'write PREFIX.json and PREFIX.zip for a server')  # fmt: skip
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


def pack(options: argparse.Namespace) -> None:
    """Check a results file against the videos and pack it for an evaluation server."""
    _, truth = read_truth(options.ground_truth, options.predictions, need_annotations=False)
    results = read_json(options.predictions)
    read_results(results, truth, options.predictions)
    plain, packed = write_submission(results, options.format_only)
    print(f'{len(results)} predictions are valid; wrote {plain} and {packed}')


class Task(NamedTuple):
    """The ground truth and all that is asked of each results file.

    Attributes:
        options: of the command line.
        content: of the annotation file.
        whole: the ground truth of all videos.
        truth: of the videos that are scored.
        groups: `videos` and `categories` of `score_groups`.
    """

    options: argparse.Namespace
    content: Any
    whole: GroundTruth
    truth: GroundTruth
    groups: dict[str, dict[str, list[int]]]


def prepare(options: argparse.Namespace) -> Task:
    """Read all files but the results."""
    content, whole = read_truth(
        options.ground_truth, options.predictions, mask_source=options.mask_source
    )
    truth, groups = whole, {}
    if options.groups_file:
        groups['videos'] = read_groups(options.groups_file, whole.videos, 'videos')
    if options.category_groups:
        groups['categories'] = read_groups(options.category_groups, whole.categories, 'categories')
    if options.subset_video_ids:
        truth = whole.subset(read_video_ids(options.subset_video_ids))
    return Task(options, content, whole, truth, groups)


def measure(
    task: Task, predictions: Sequence[Track], matched: Sequence[VideoCells]
) -> tuple[Figures, list[VideoCounts] | None]:
    """Return all figures of a results file that the options ask for.

    Returns:
        The figures, and the counts of masks of each video where tracking was measured.
    """
    options, truth = task.options, task.truth
    scores = accumulate_kinds(matched)
    figures: Figures = {**name_stats(scores), **name_pooled_stats(scores)}
    if options.per_class:
        figures['per_class'] = per_class_stats(scores, truth.categories)
    tracked = None
    if options.tracking:
        # Here, because the import of scipy takes longer than all other work of the tool.
        from rocovis_mm.evaluation.functional.tracking import report

        kinds = KINDS if options.tracking_boundary else KINDS[:1]
        found = report.report_tracking(truth, predictions, kinds, options.score_thr, options.jobs)
        rows = report.merge_class_stats(figures.get('per_class', []), found.per_class)
        figures.update(found.figures(), per_class=rows)
        tracked = [video['segm'] for video in found.videos]
    if options.errors:
        figures['errors'] = analyze_errors(truth, predictions, jobs=options.jobs).summary()
    if options.gaps:
        from rocovis_mm.evaluation.functional.oracle_gaps import oracle_gaps

        gaps = oracle_gaps(truth, predictions, scores=scores['segm'], jobs=options.jobs)
        figures['gaps'] = gaps.summary()
    if options.consistency:
        rows = track_consistency(truth, predictions, options.jobs)
        figures['consistency'] = summarize_consistency(rows)
    if options.group_by or task.groups:
        how = dict(jobs=options.jobs, matched=matched, tracked=tracked, **task.groups)
        figures['groups'] = score_groups(task.content, options.group_by, truth, predictions, **how)
    return figures, tracked


def tabulate(task: Task, files: Mapping[str, Figures]) -> list[Table]:
    """Return the tables that are printed and written, each with rows for each results file."""
    tables = [summary_table(files)]
    if task.options.per_class:
        rows = rows_of_files(files, 'per_class', 'name')
        tables.append(class_table(rows, len(task.truth.categories)))
    if task.options.tracking:
        from rocovis_mm.evaluation.functional.tracking.report import (
            tracking_class_table,
            tracking_table,
        )

        tables.append(tracking_table(files))
        tables += [tracking_class_table(rows)] if task.options.per_class else []
    if task.options.errors:
        tables.append(error_table(list(files), [own['errors'] for own in files.values()]))
    if task.options.gaps:
        tables.append(gap_table(list(files), [own['gaps'] for own in files.values()]))
    if task.options.consistency:
        found = [own['consistency'] for own in files.values()]
        tables.append(consistency_table(list(files), found))
    if task.options.group_by or task.groups:
        tables.append(group_table(rows_of_files(files, 'groups', 'grouping', 'group')))
    return tables


def score(options: argparse.Namespace) -> None:
    """Score the results files, print the tables and write the files."""
    begin, task = time.perf_counter(), prepare(options)
    files: dict[str, Figures] = {}
    cells: dict[str, list[VideoCells]] = {}
    counts: dict[str, list[VideoCounts]] = {}
    warnings, notes, number = [], [], 0
    for name, path in name_files([options.predictions, *options.compare]):
        predictions = read_results(read_json(path), task.whole, path)
        if warning := nothing_to_score(task.truth, predictions, path):
            warnings.append(f'warning: {warning}')
        elif note := videos_without(task.truth, predictions, path):
            notes.append(f'note: {note}')
        cells[name] = match_videos(task.truth, predictions, jobs=options.jobs)
        files[name], tracked = measure(task, predictions, cells[name])
        counts |= {} if tracked is None else {name: tracked}
        number += len(predictions)
    tables = tabulate(task, files)
    first, *others = files
    figures = files[first]
    if others:
        differences = compare_files(files, cells, counts, len(task.truth.categories))
        tables.append(difference_table(first, differences))
        figures['compare'] = [
            {'file': name, **files[name], 'differences': json_of(differences[name])}
            for name in others
        ]
    if options.out:
        write_text(options.out, json.dumps(figures, indent=1) + '\n')
    for kind, write in WRITERS.items():
        if getattr(options, kind):
            write_text(getattr(options, kind), write(tables, first))
    print(*warnings, sep='\n', end='\n' * bool(warnings), file=sys.stderr)
    print(*tables, *notes, sep='\n')
    print(
        f'{len(task.truth.videos)} videos, {len(task.truth.tracks)} tracks, {number} predictions '
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

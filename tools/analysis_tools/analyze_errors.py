"""Count the errors of one or several results files, side by side.

    python tools/analysis_tools/analyze_errors.py GT.json A.json B.json --out errors.json

Predictions: correct, duplicate, wrong class, bad mask, background. Ground-truth tracks: missed,
identity switched, and the share of their frames held by the best prediction and by all
together. --out takes the verdict on each prediction and each track, worst tracks first.

--gaps adds how much AP is lost to tracking, classes and masks. --plot draws this as bars, and
--rebuilt writes the results files with perfect tracking and with perfect classes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rocovis_mm.console import print_anything
from rocovis_mm.evaluation.functional.error_analysis import (
    ErrorReport,
    analyze_errors,
)
from rocovis_mm.evaluation.functional.quality_report import gap_table
from rocovis_mm.evaluation.functional.report import error_table
from rocovis_mm.evaluation.functional.table_files import name_files, write_text
from rocovis_mm.evaluation.functional.tracks import (
    GroundTruth,
    Track,
    load_ground_truth,
    load_predictions,
)
from rocovis_mm.formats.json_files import dump_json

if TYPE_CHECKING:
    from rocovis_mm.evaluation.functional.oracle_gaps import OracleGaps


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('ground_truth', help='annotation json of the benchmark')
    parser.add_argument('predictions', nargs='+', help='one or several results files')
    parser.add_argument(
        '--min-score', type=float, default=float('-inf'), help='leave out predictions below'
    )
    parser.add_argument('--out', type=Path, help='write every verdict to this json')
    parser.add_argument('--gaps', action='store_true', help='also measure where AP is lost')
    parser.add_argument('--plot', type=Path, help='picture of where AP is lost (png, svg, pdf)')
    parser.add_argument(
        '--rebuilt', type=Path, metavar='DIR', help='folder for the rebuilt results files'
    )
    parser.add_argument(
        '--gap-seconds',
        type=float,
        default=10.0,
        help='limit of one integer programme; a bound replaces it [10]',
    )
    parser.add_argument(
        '--gap-total-seconds',
        type=float,
        default=60.0,
        help='limit of the integer programmes of a results file; bounds replace the others [60]',
    )
    options = parser.parse_args(arguments)
    for name in ('gap_seconds', 'gap_total_seconds'):
        if not 0 < (value := getattr(options, name)) < float('inf'):
            parser.error(f'--{name.replace("_", "-")} {value} is not a number above 0')
    return options


def measure_gaps(
    options: argparse.Namespace, truth: GroundTruth, found: dict[str, list[Track]]
) -> dict[str, OracleGaps]:
    """Return where AP is lost, by results file; none if no option asks for it."""
    if not (options.gaps or options.plot or options.rebuilt):
        return {}
    # Here, because the import of scipy takes longer than the analysis of a small file.
    from rocovis_mm.evaluation.functional.oracle_assignment import Limits
    from rocovis_mm.evaluation.functional.oracle_gaps import oracle_gaps

    limits = Limits(seconds=options.gap_seconds, total=options.gap_total_seconds)
    return {path: oracle_gaps(truth, tracks, limits) for path, tracks in found.items()}


def write_rebuilt(gaps: dict[str, OracleGaps], folder: Path) -> list[Path]:
    """Write the files with perfect tracking and perfect classes, and return their paths."""
    from rocovis_mm.evaluation.functional.oracle_gaps import as_results

    paths = []
    for name, path in name_files(list(gaps)):
        stem, own = '_'.join(Path(name).with_suffix('').parts), gaps[path]
        for stage in ('tracking', 'class'):
            paths.append(folder / f'{stem}_{stage}.json')
            write_text(paths[-1], dump_json(as_results(own.stages[stage].tracks)))
    return paths


def write_report(reports: dict[str, ErrorReport], gaps: dict[str, OracleGaps], path: Path) -> None:
    """Write summaries and verdicts. Tracks with the most frames unheld by one come first."""
    content = {
        name: {
            'summary': report.summary(),
            **({'gaps': gaps[name].summary()} if gaps else {}),
            'tracks': sorted(report.tracks, key=lambda row: row['best_share']),
            'predictions': report.predictions,
        }
        for name, report in reports.items()
    }
    write_text(path, json.dumps(content, indent=1) + '\n')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    options = parse_args(arguments)
    try:
        truth = load_ground_truth(options.ground_truth)
        found = {
            path: [t for t in load_predictions(path, truth) if t.score >= options.min_score]
            for path in options.predictions
        }
        reports = {path: analyze_errors(truth, tracks) for path, tracks in found.items()}
        gaps = measure_gaps(options, truth, found)
        summaries = {path: own.summary() for path, own in gaps.items()}
        written: list[Path] = []
        if options.out:
            write_report(reports, gaps, options.out)
        if options.plot:
            # Here, because the import of matplotlib takes longer than the analysis of a small file.
            from rocovis_mm.visualization.gap_bars import draw_gaps

            draw_gaps(summaries, options.plot)
        if options.rebuilt:
            written = write_rebuilt(gaps, options.rebuilt)
    except (ValueError, OSError) as error:
        print('error:', ' '.join(str(error).split()), file=sys.stderr)
        return 2
    print(error_table(list(reports), [report.summary() for report in reports.values()]))
    if gaps:
        print(gap_table(list(summaries), list(summaries.values())))
    print(*written, sep='\n', end='\n' * bool(written))
    return 0


if __name__ == '__main__':
    sys.exit(main())

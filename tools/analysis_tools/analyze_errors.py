"""Count the errors of one or several results files, side by side.

    python tools/analysis_tools/analyze_errors.py GT.json A.json B.json --out errors.json

Predictions: correct, duplicate, wrong class, bad mask, background. Ground-truth tracks: missed,
identity switched, and the share of their frames held by the best prediction and by all
together. --out takes the verdict on each prediction and each track, worst tracks first.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything
from rocovis_mm.evaluation.functional.error_analysis import (
    ErrorReport,
    analyze_errors,
)
from rocovis_mm.evaluation.functional.report import error_table
from rocovis_mm.evaluation.functional.tracks import (
    load_ground_truth,
    load_predictions,
)


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
    return parser.parse_args(arguments)


def write_report(reports: dict[str, ErrorReport], path: Path) -> None:
    """Write summaries and verdicts. Tracks with the most frames unheld by one come first."""
    content = {
        name: {
            'summary': report.summary(),
            'tracks': sorted(report.tracks, key=lambda row: row['best_share']),
            'predictions': report.predictions,
        }
        for name, report in reports.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    options = parse_args(arguments)
    try:
        truth = load_ground_truth(options.ground_truth)
        reports = {
            path: analyze_errors(truth, load_predictions(path, truth), options.min_score)
            for path in options.predictions
        }
        if options.out:
            write_report(reports, options.out)
    except (ValueError, OSError) as error:
        print('error:', ' '.join(str(error).split()), file=sys.stderr)
        return 2
    print(error_table(list(reports), [report.summary() for report in reports.values()]))
    return 0


if __name__ == '__main__':
    sys.exit(main())

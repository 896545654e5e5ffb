"""Show the course of each track of a results file on one HTML page.

    python tools/analysis_tools/track_report.py RESULTS.json GT.json --images DIR --out report.html

RESULTS is in YouTube-VIS submission form, from whatever code. The page has contact sheets, a
timeline for each identity (covered, switched, missed, lost, absent), the worst tracks first, and
the scores. It opens from disk and loads nothing. Without GT it shows when tracks come, go and jump.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rocovis_mm.console import print_anything
from rocovis_mm.visualization.fonts import use_font
from rocovis_mm.visualization.track_report.contents import load_report
from rocovis_mm.visualization.track_report.page import draw_page
from rocovis_mm.visualization.track_report.pictures import Pictures


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('results', type=Path, help='results json, or a .gz or .zip of it')
    parser.add_argument(
        'ground_truth', nargs='?', type=Path, help='annotation json; may lack annotations'
    )
    parser.add_argument(
        '--images', type=Path, help='folder of the file_names; without GT, of one folder per video'
    )
    parser.add_argument('--out', type=Path, required=True, help='the page to write')
    parser.add_argument('--score-thr', type=float, default=0.3, help='of tracks shown [0.3]')
    parser.add_argument(
        '--videos', type=at_least(0), default=40, help='worst videos with pictures [40]'
    )
    parser.add_argument('--frames', type=at_least(2), default=8, help='pictures per video [8]')
    parser.add_argument('--tracks', type=at_least(1), default=30, help='timelines per video [30]')
    parser.add_argument('--width', type=at_least(32), default=300, help='of a picture [300]')
    parser.add_argument('--quality', type=at_least(1), default=72, help='of JPEGs, 1 to 95 [72]')
    parser.add_argument('--font', type=Path, help='font file to take first for names in pictures')
    return parser.parse_args(arguments)


def at_least(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers that are not below `least`."""

    def integer(text: str) -> int:  # argparse says "invalid integer value"
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f'{value} is not at least {least}')
        return value

    return integer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    options = parse_args(arguments)
    try:
        use_font(options.font)
        report = load_report(
            options.results, options.ground_truth, options.images, options.score_thr
        )
        pictures = Pictures(options.width, min(options.quality, 95))
        page = draw_page(report, pictures, options.videos, options.frames, options.tracks)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(page, encoding='utf-8')
    except (ValueError, OSError) as error:
        print('error:', ' '.join(str(error).split()), file=sys.stderr)
        return 2
    size = options.out.stat().st_size / 1e6
    print(f'{options.out}: {len(report.videos)} videos, {size:.1f} MB')
    return 0


if __name__ == '__main__':
    sys.exit(main())

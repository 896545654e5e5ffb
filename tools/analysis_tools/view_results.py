"""Show a results file in the viewer Rerun, with the ground truth beside it.

    python tools/analysis_tools/view_results.py RESULTS.json GT.json --images DIR --rerun
    python tools/analysis_tools/view_results.py RESULTS.json GT.json --images DIR --save view.rrd

RESULTS is in YouTube-VIS submission form, from whatever code. The viewer has images, masks, boxes
with class, id and score, and the scores over time. --rerun opens it, --rerun ADDRESS sends to a
viewer that runs already, and --save writes a file that `rerun view.rrd` opens anywhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything
from rocovis_mm.visualization.rerun_log import check_target, close_recording, open_recording
from rocovis_mm.visualization.rerun_results import load_viewed_videos, log_videos

NEW_VIEWER = ''
"""Stands for --rerun without an address."""


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
    parser.add_argument(
        '--rerun',
        nargs='?',
        const=NEW_VIEWER,
        metavar='ADDRESS',
        help='HOST:PORT of a running viewer; without an address a new viewer is opened, unless '
        '--save is given',
    )
    parser.add_argument('--save', type=Path, metavar='FILE.rrd', help='the recording to write')
    parser.add_argument('--spawn', action='store_true', help='open a viewer beside --save')
    parser.add_argument('--videos', type=int, nargs='+', metavar='ID', help='videos to show [all]')
    parser.add_argument('--score-thr', type=float, default=0.3, help='of tracks shown [0.3]')
    parser.add_argument('--fps', type=float, help='of the videos, for a timeline in seconds')
    options = parser.parse_args(arguments)
    if options.rerun is None and options.save is None and not options.spawn:
        parser.error('give --rerun to open the viewer, or --save FILE.rrd to write a recording')
    if options.fps is not None and not 0 < options.fps < float('inf'):
        parser.error(f'--fps {options.fps}: give a number above 0')
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    options = parse_args(arguments)
    spawn = options.spawn or (options.rerun == NEW_VIEWER and options.save is None)
    target = dict(address=options.rerun or None, save=options.save, spawn=spawn)
    try:
        check_target(**target)
        videos = load_viewed_videos(
            options.results,
            options.ground_truth,
            options.images,
            options.videos,
            options.score_thr,
        )
        recording = open_recording(options.results.name, **target)
        try:
            log_videos(recording, videos, options.fps)
        finally:
            close_recording(recording)
    except (ImportError, ValueError, OSError) as error:
        print('error:', ' '.join(str(error).split()), file=sys.stderr)
        return 2
    frames = sum(video.video.length for video in videos)
    print(f'{options.save or "sent to Rerun"}: {len(videos)} videos, {frames} frames')
    return 0


if __name__ == '__main__':
    sys.exit(main())

"""Draw a results file, from whatever code it comes: video, gif and contact sheet.

python tools/analysis_tools/draw_results.py GT.json RESULTS.json --images DIR --out-dir DIR

Annotation and prediction are side by side. An identity has one colour in the whole video. With
--work-dir, the loss and AP curves of the training run in that folder are drawn too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rocovis_mm.console import print_anything
from rocovis_mm.visualization.compositions import write_pictures
from rocovis_mm.visualization.curves import draw_curves, find_scalars, read_scalars
from rocovis_mm.visualization.fonts import use_font
from rocovis_mm.visualization.video_results import load_drawn_videos


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', type=Path, help='YouTube-VIS json; may lack annotations')
    parser.add_argument('results', type=Path, help='in YouTube-VIS submission form (.json, .zip)')
    parser.add_argument('--images', type=Path, required=True, help='folder of the file_names')
    parser.add_argument('--out-dir', type=Path, required=True, help='folder of the pictures')
    parser.add_argument('--score-thr', type=float, default=0.3, help='of tracks drawn [0.3]')
    parser.add_argument('--videos', type=int, help='first so many videos; all if not given')
    parser.add_argument('--sheet-videos', type=int, default=6, help='on sheet and in gif [6]')
    parser.add_argument('--fps', type=float, default=8.0, help='of video and gif [8]')
    parser.add_argument('--font', type=Path, help='font file to take first for names of classes')
    parser.add_argument('--work-dir', type=Path, help='draw the curves of this training run')
    return parser.parse_args()


def main() -> None:
    """Draw."""
    print_anything()
    args = parse_args()
    try:
        use_font(args.font)
        videos = load_drawn_videos(
            args.annotations, args.results, args.images, args.score_thr, args.videos
        )
        paths = write_pictures(videos, args.out_dir, args.sheet_videos, args.fps)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    if args.work_dir is not None:
        scalars = read_scalars(find_scalars(args.work_dir))
        paths.append(draw_curves(scalars, args.out_dir / 'curves.png'))
    print('\n'.join(map(str, paths)))


if __name__ == '__main__':
    main()

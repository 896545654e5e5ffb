r"""Split an annotation file in two by video: a validation set where the benchmark keeps its masks.

    python tools/dataset_converters/split_dataset.py data/ovis/annotations_train.json \
        --fraction 0.1 --seed 0
    python tools/dataset_converters/split_dataset.py data/youtube_vis_2022/gt.json \
        --videos-of data/youtube_vis_2021/valid.json \
        --out data/youtube_vis_2022/valid_short.json data/youtube_vis_2022/valid_long.json

The first shares out the videos so that every class is split as the videos are, the same for the
same seed. The second puts the videos that another file has too in one file and the rest in the
other.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything
from rocovis_mm.formats.converters.splitting import split_by_videos, split_dataset


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='YouTube-VIS json')
    parser.add_argument(
        '--out',
        type=Path,
        nargs=2,
        metavar=('FIRST', 'SECOND'),
        help='files to write [SOURCE_train.json and SOURCE_val.json beside it]',
    )
    parser.add_argument('--fraction', type=float, default=0.1, help='of the second [0.1]')
    parser.add_argument('--seed', type=int, default=0, help='[0]')
    parser.add_argument('--videos-of', type=Path, metavar='JSON', help='split by this file')
    parser.add_argument('--overwrite', action='store_true', help='replace files of other content')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    args = parse_args(arguments)
    stem = args.source.name.split('.')[0]
    outs = args.out or [args.source.with_name(f'{stem}_{half}.json') for half in ('train', 'val')]
    try:
        if args.videos_of is None:
            lines = split_dataset(args.source, outs, args.fraction, args.seed, args.overwrite)
        else:
            lines = split_by_videos(args.source, args.videos_of, outs, args.overwrite)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(*lines, sep='\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())

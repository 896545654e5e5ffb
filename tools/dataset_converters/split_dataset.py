r"""Split an annotation file in two by video: a validation set where the benchmark keeps its masks.

    python tools/dataset_converters/split_dataset.py data/ovis/annotations_train.json \
        --fraction 0.1 --seed 0
    python tools/dataset_converters/split_dataset.py data/youtube_vis_2022/gt.json \
        --videos-of data/youtube_vis_2021/valid.json \
        --out data/youtube_vis_2022/valid_short.json data/youtube_vis_2022/valid_long.json

The first command divides the videos so that each class is divided as the videos are; the same seed
gives the same split. The second writes the videos that are also in another file to one file and the
others to the other.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything, report, tool_parser
from rocovis_mm.formats.converters.splitting import split_by_videos, split_dataset


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    parser = tool_parser(__doc__)
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
    args = parser.parse_args(arguments)
    stem = args.source.name.split('.')[0]
    outs = args.out or [args.source.with_name(f'{stem}_{half}.json') for half in ('train', 'val')]
    if args.videos_of is not None:
        return report(lambda: split_by_videos(args.source, args.videos_of, outs, args.overwrite))
    return report(
        lambda: split_dataset(args.source, outs, args.fraction, args.seed, args.overwrite)
    )


if __name__ == '__main__':
    sys.exit(main())

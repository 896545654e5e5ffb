r"""Turn folders of PNG masks, as DAVIS and YouTube-VOS have them, into YouTube-VIS json.

    python tools/dataset_converters/davis_to_vis.py DAVIS/JPEGImages/480p DAVIS/Annotations/480p \
        davis_train.json --split DAVIS/ImageSets/2017/train.txt

Each pixel of a mask names its object, 0 none and (in masks of 8 bits) 255 void. Frames without a
mask are left out. The data sets have no classes: all objects are called 'object', or as --classes
says, a json {"video": {"1": "dog", "2": "person"}}. A run that was interrupted goes on where it
stopped.

MOTS masks (KITTI MOTS, MOTSChallenge) hold class x 1000 + instance in 16 bits; they are told by
their numbers, or by --numbers mots. Regions of the number 10000 are left out. Classes are car and
pedestrian, or as --classes says, a json {"1": "car", "2": "pedestrian"}.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything
from rocovis_mm.formats.converters.davis import NUMBERS, convert_davis


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', type=Path, help='folder with a folder of images per video')
    parser.add_argument('masks', type=Path, help='folder with a folder of PNG masks per video')
    parser.add_argument('out', type=Path, help='json to write')
    parser.add_argument('--split', type=Path, help='text file, one video per line [all videos]')
    parser.add_argument('--classes', type=Path, help='json with the class of each object')
    parser.add_argument(
        '--binary', action='store_true', help='all that is not 0 is one object (DAVIS-2016)'
    )
    parser.add_argument(
        '--numbers',
        choices=NUMBERS,
        default='auto',
        help='of the masks: objects, or class x 1000 + instance [auto: as the masks look]',
    )
    parser.add_argument('--jobs', type=int, default=1, help='processes [1]')
    parser.add_argument('--overwrite', action='store_true', help='replace what was made otherwise')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    args = parse_args(arguments)
    try:
        lines = convert_davis(
            args.images,
            args.masks,
            args.out,
            split_file=args.split,
            class_file=args.classes,
            binary=args.binary,
            jobs=args.jobs,
            overwrite=args.overwrite,
            numbers=args.numbers,
        )
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(*lines, sep='\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())

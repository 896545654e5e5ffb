r"""Turn folders of PNG masks, as DAVIS and YouTube-VOS have them, into YouTube-VIS json.

    python tools/dataset_converters/davis_to_vis.py DAVIS/JPEGImages/480p DAVIS/Annotations/480p \
        davis_train.json --split DAVIS/ImageSets/2017/train.txt

Each pixel of a mask holds the number of its object, 0 for none and (in masks of 8 bits) 255 for
void. Frames without a mask are left out. The data sets have no classes, so all objects are called
'object', unless --classes names a json {"video": {"1": "dog", "2": "person"}}. An interrupted run
resumes where it stopped.

MOTS masks (KITTI MOTS, MOTSChallenge) hold class x 1000 + instance in 16 bits. They are recognised
by their numbers, or chosen by --numbers mots. Regions of the number 10000 are left out. Classes
are car and pedestrian, unless --classes names a json {"1": "tram", "2": "cyclist"}.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything, report, tool_parser
from rocovis_mm.formats.converters.davis import NUMBERS, convert_davis


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    parser = tool_parser(__doc__)
    parser.add_argument('images', type=Path, help='folder with a folder of images per video')
    parser.add_argument('masks', type=Path, help='folder with a folder of PNG masks per video')
    parser.add_argument('out', type=Path, help='json to write')
    parser.add_argument('--split', type=Path, help='text file, one video per line [all videos]')
    parser.add_argument('--classes', type=Path, help='json with the class of each object')
    parser.add_argument(
        '--binary', action='store_true', help='all numbers but 0 are one object (DAVIS-2016)'
    )
    parser.add_argument(
        '--numbers',
        choices=NUMBERS,
        default='auto',
        help='meaning in the masks: object, or class x 1000 + instance [auto: told by the masks]',
    )
    parser.add_argument('--jobs', type=int, default=1, help='processes [1]')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a file made with other settings'
    )
    args = parser.parse_args(arguments)
    return report(
        lambda: convert_davis(
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
    )


if __name__ == '__main__':
    sys.exit(main())

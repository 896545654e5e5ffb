"""Turn VIPSeg's panoptic masks into VIPSeg-things: its thing classes, in YouTube-VIS json.

    python tools/dataset_converters/vipseg_to_vis.py data/VIPSeg data/vipseg_things --height 720

Reads imgs/ and panomasks/ as released, or images/ and panomasksRGB/ with their json as written by
VIPSeg's scripts. The splits are the official train.txt, val.txt and test.txt. With --height, images
and masks are resized like the benchmark's 720p copies. Without it, images are used as they are. An
interrupted run resumes where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything, report, tool_parser
from rocovis_mm.formats.converters.vipseg import convert_vipseg


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    parser = tool_parser(__doc__)
    parser.add_argument('root', type=Path, help='folder of VIPSeg')
    parser.add_argument('out', type=Path, help='folder of the new data set')
    parser.add_argument(
        '--splits', nargs='+', default=['train', 'val'], choices=['train', 'val', 'test']
    )
    parser.add_argument('--height', type=int, help='resize to this height, 720 for the benchmark')
    parser.add_argument('--jobs', type=int, default=1, help='processes [1]')
    parser.add_argument(
        '--overwrite', action='store_true', help='replace files made with other settings'
    )
    args = parser.parse_args(arguments)
    return report(
        lambda: convert_vipseg(
            args.root, args.out, args.splits, args.height, args.jobs, args.overwrite
        )
    )


if __name__ == '__main__':
    sys.exit(main())

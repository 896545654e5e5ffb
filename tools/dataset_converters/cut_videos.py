"""Cut the videos of an annotation file into pieces of some frames, each a video of its own.

    python tools/dataset_converters/cut_videos.py data/mine/val.json 12 data/mine/val_12.json

A model that begins anew in each piece shows how its errors grow with the length of a stream.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything, report, tool_parser
from rocovis_mm.formats.converters.cutting import cut_videos


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    parser = tool_parser(__doc__)
    parser.add_argument('source', type=Path, help='YouTube-VIS json')
    parser.add_argument('frames', type=int, help='of a piece; the last one may be shorter')
    parser.add_argument('out', type=Path, help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace a file of other content')
    args = parser.parse_args(arguments)
    return report(lambda: [cut_videos(args.source, args.out, args.frames, args.overwrite)])


if __name__ == '__main__':
    sys.exit(main())

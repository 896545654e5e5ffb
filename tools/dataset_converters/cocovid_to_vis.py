"""Turn CocoVID, which MMDetection reads, into YouTube-VIS json, or back with --reverse.

    python tools/dataset_converters/cocovid_to_vis.py COCOVID.json VIS.json
    python tools/dataset_converters/cocovid_to_vis.py VIS.json COCOVID.json --reverse

Both directions are lossless: the output holds data that its format has no key for under a key of
its own (tracks, cocovid).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything, report, tool_parser
from rocovis_mm.formats.converters.cocovid import cocovid_to_vis, vis_to_cocovid


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    parser = tool_parser(__doc__)
    parser.add_argument('source', type=Path, help='json to read')
    parser.add_argument('out', type=Path, help='json to write')
    parser.add_argument('--reverse', action='store_true', help='from YouTube-VIS to CocoVID')
    parser.add_argument('--overwrite', action='store_true', help='replace a file of other content')
    args = parser.parse_args(arguments)
    convert = vis_to_cocovid if args.reverse else cocovid_to_vis
    return report(lambda: [convert(args.source, args.out, args.overwrite)])


if __name__ == '__main__':
    sys.exit(main())

"""Turn CocoVID, which MMDetection reads, into YouTube-VIS json, or back with --reverse.

    python tools/dataset_converters/cocovid_to_vis.py COCOVID.json VIS.json
    python tools/dataset_converters/cocovid_to_vis.py VIS.json COCOVID.json --reverse

Nothing gets lost either way: what one format has no place for stands in the other under keys
of its own (tracks, cocovid).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything
from rocovis_mm.formats.converters.cocovid import cocovid_to_vis, vis_to_cocovid


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='json to read')
    parser.add_argument('out', type=Path, help='json to write')
    parser.add_argument('--reverse', action='store_true', help='from YouTube-VIS to CocoVID')
    parser.add_argument('--overwrite', action='store_true', help='replace a file of other content')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    args = parse_args(arguments)
    convert = vis_to_cocovid if args.reverse else cocovid_to_vis
    try:
        line = convert(args.source, args.out, args.overwrite)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(line)
    return 0


if __name__ == '__main__':
    sys.exit(main())

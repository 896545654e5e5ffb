"""Turn CVAT's 'COCO 1.0' export of a video task into YouTube-VIS json.

    python tools/dataset_converters/cvat_to_vis.py annotations/instances_default.json train.json

Masks with the same attributes.track_id are one instance; images in one folder are one video, in the
order of the numbers in their names. Objects have to be drawn as tracks, as polygons or masks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything
from rocovis_mm.formats.converters.cvat import cvat_to_vis


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', type=Path, help='instances_default.json of the export')
    parser.add_argument('out', type=Path, help='json to write')
    parser.add_argument(
        '--keep-crowds',
        action='store_true',
        help='leave masks in run lengths the crowds that CVAT calls them',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace a file of other content')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    args = parse_args(arguments)
    try:
        lines = cvat_to_vis(args.source, args.out, args.overwrite, args.keep_crowds)
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(*lines, sep='\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())

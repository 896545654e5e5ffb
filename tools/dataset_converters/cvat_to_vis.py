"""Turn CVAT's 'COCO 1.0' export of a video task into YouTube-VIS json.

    python tools/dataset_converters/cvat_to_vis.py annotations/instances_default.json train.json

Masks with the same attributes.track_id are one instance. Images in one folder are one video, in the
order of the numbers in their names. Objects must be drawn as tracks of polygons or masks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything, report, tool_parser
from rocovis_mm.formats.converters.cvat import cvat_to_vis


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    parser = tool_parser(__doc__)
    parser.add_argument('source', type=Path, help='instances_default.json of the export')
    parser.add_argument('out', type=Path, help='json to write')
    parser.add_argument(
        '--keep-crowds',
        action='store_true',
        help='keep the crowds among masks in run lengths, as CVAT marks them',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace a file of other content')
    args = parser.parse_args(arguments)
    return report(lambda: cvat_to_vis(args.source, args.out, args.overwrite, args.keep_crowds))


if __name__ == '__main__':
    sys.exit(main())

r"""Give COCO's annotations the categories of a VIS benchmark, by the published maps.

    python tools/dataset_converters/coco_to_vis_categories.py \
        data/coco/annotations/instances_train2017.json ovis data/coco/annotations/coco2ovis.json

The result is a COCO file. Images without an annotation of these categories are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything, report, tool_parser
from rocovis_mm.formats.benchmarks import BENCHMARKS
from rocovis_mm.formats.converters.coco_categories import convert_coco_categories


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    parser = tool_parser(__doc__)
    parser.add_argument('source', type=Path, help='COCO instances json')
    parser.add_argument(
        'benchmark', choices=[name for name, each in BENCHMARKS.items() if each.coco_to_vis]
    )
    parser.add_argument('out', type=Path, help='json to write')
    parser.add_argument('--keep-empty', action='store_true', help='keep images without annotation')
    parser.add_argument('--overwrite', action='store_true', help='replace a file of other content')
    args = parser.parse_args(arguments)
    return report(
        lambda: [
            convert_coco_categories(
                args.source, args.benchmark, args.out, args.keep_empty, args.overwrite
            )
        ]
    )


if __name__ == '__main__':
    sys.exit(main())

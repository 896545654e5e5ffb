"""Convert annotations and results of tracks from one format to another.

    rocovis convert FROM TO INPUT OUTPUT [--ground-truth GT.json]
    python tools/dataset_converters/convert_formats.py vis mots-txt results.json out/ \
        --ground-truth val.json --score-thr 0.3

Formats: FORMATS. The output names all information that is lost. Results, and formats without names
of videos and classes, need the ground truth. docs/formats.md describes each format.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rocovis_mm.console import print_anything, report, tool_parser
from rocovis_mm.formats.converters.exchange import FORMATS, convert
from rocovis_mm.formats.converters.vis_content import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    parser = tool_parser((__doc__ or '').replace('FORMATS', ', '.join(FORMATS)))
    parser.add_argument('source_form', metavar='FROM', choices=FORMATS, help='format of INPUT')
    parser.add_argument('target_form', metavar='TO', choices=FORMATS, help='format of OUTPUT')
    parser.add_argument('source', metavar='INPUT', type=Path, help='file or folder to read')
    parser.add_argument('out', metavar='OUTPUT', type=Path, help='file or folder to write')
    parser.add_argument(
        '--ground-truth', type=Path, help='json with the videos and categories of INPUT'
    )
    parser.add_argument('--classes', type=Path, help='json with names of classes (MOTS, DAVIS)')
    parser.add_argument('--score-thr', type=float, help='drop tracks with a lower score')
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        '--results', action='store_true', default=None, help='write results, also without scores'
    )
    kind.add_argument(
        '--annotations', action='store_false', dest='results', help='write annotations'
    )
    parser.add_argument(
        '--polygons', action='store_true', help='write polygons in place of masks (CVAT, labelme)'
    )
    parser.add_argument(
        '--keep-crowds', action='store_true', help='keep regions to be ignored as crowds'
    )
    parser.add_argument(
        '--every', type=int, help='write every Nth frame (SA-V) [4, or 1 if file names count by 4]'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace files of other content')
    args = parser.parse_args(arguments)
    settings = Settings(
        classes=args.classes,
        results=args.results,
        polygons=args.polygons,
        keep_crowds=args.keep_crowds,
        every=args.every,
        overwrite=args.overwrite,
    )
    return report(
        lambda: convert(
            args.source_form,
            args.target_form,
            args.source,
            args.out,
            settings,
            args.ground_truth,
            args.score_thr,
        )
    )


if __name__ == '__main__':
    sys.exit(main())

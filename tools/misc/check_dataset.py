r"""List all problems of a data set, and summarise its content.

    python tools/misc/check_dataset.py data/my_videos/train.json \
        --img-root data/my_videos/JPEGImages

All problems come first, each with file, place and remedy, then a summary. --out writes problems,
summary and plots to a folder. --fix writes a mended copy without the records that cannot be read,
and lists the changes. The exit status is 0 if there are no problems (in the mended copy, if any), 1
if problems remain, and 2 if the data set could not be checked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rocovis_mm.checks.mending import mend
from rocovis_mm.checks.problems import check, find_image_faults
from rocovis_mm.checks.summary import DatasetSummary, format_summary, summarize
from rocovis_mm.console import print_anything, tool_parser
from rocovis_mm.formats.converters.files import write_annotations
from rocovis_mm.formats.json_files import read_json


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = tool_parser(__doc__)
    parser.add_argument('annotations', type=Path, help='YouTube-VIS json (.gz, .zip allowed)')
    parser.add_argument('--img-root', help='folder that file_names are relative to')
    parser.add_argument('--quick', action='store_true', help='read only the headers of images')
    parser.add_argument('--threads', type=int, default=2, help='that read images [2]')
    parser.add_argument('--config', help='check that the categories fit this config')
    parser.add_argument('--fix', type=Path, metavar='OUT', help='write a mended copy')
    parser.add_argument('--overwrite', action='store_true', help='replace OUT')
    parser.add_argument('--out', type=Path, help='folder of problems.txt, summary.json and .png')
    parser.add_argument('--font', help='font file to take first for names in summary.png')
    return parser.parse_args(arguments)


def write_report(
    folder: Path, problems: Sequence[str], summary: DatasetSummary, font: str | None
) -> None:
    """Write problems, summary and plots."""
    from rocovis_mm.visualization.dataset_plots import draw_summary
    from rocovis_mm.visualization.fonts import use_font

    use_font(font)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'problems.txt').write_text(''.join(f'{each}\n' for each in problems), 'utf-8')
    text = json.dumps(summary.figures(), indent=1)
    (folder / 'summary.json').write_text(text + '\n', 'utf-8')
    print('->', draw_summary(summary, folder / 'summary.png'))


def fix(args: argparse.Namespace, content: Any, look: Callable | None, fits: Any) -> list[str]:
    """Write the mended copy; return the problems that remain in it."""
    try:
        done = mend(content, str(args.annotations), look)
    except ValueError as error:
        print(f'\nnothing mended: {error}')
        return [str(error)]
    parts = [key for key in ('videos', 'annotations') if key in content]
    head = {key: value for key, value in content.items() if key not in parts}
    write_annotations(args.fix, head, {key: content[key] for key in parts}, args.overwrite)
    remaining = check(content, str(args.fix), look, *fits)[1]
    print(f'\n{args.fix}: {len(done)} things mended', *done, sep='\n')
    print(f'{len(remaining)} problems remain', *remaining, sep='\n')
    return remaining


def run(args: argparse.Namespace) -> int:
    """Check and mend; return the exit status."""
    if not args.annotations.is_file():
        raise FileNotFoundError(f'{args.annotations}: no such file')
    if args.img_root is not None and not Path(args.img_root).is_dir():
        raise FileNotFoundError(f'{args.img_root}: no such folder; correct --img-root')
    fits = ((), None)
    if args.config:
        from rocovis_mm.utils.run_config import config_classes  # takes seconds to import

        fits = config_classes(args.config)
    look = None
    if args.img_root is not None:
        look = partial(
            find_image_faults,
            folder=args.img_root,
            decode=not args.quick,
            threads=args.threads,
        )
    try:
        content = read_json(args.annotations)
    except ValueError as error:
        print(f'1 problem\n{error}')
        return 1
    annotations, problems = check(content, str(args.annotations), look, *fits)
    print(f'{len(problems)} problems', *problems, sep='\n')
    summary = summarize(annotations)
    print('', format_summary(summary), sep='\n')
    if args.out:
        write_report(args.out, problems, summary, args.font)
    if args.fix:
        problems = fix(args, content, look, fits)
    return int(bool(problems))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    print_anything()
    try:
        return run(parse_args(arguments))
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())

"""Turn a stream's results file (--results-jsonl) into YouTube-VIS submission form.

    python tools/misc/jsonl_to_results.py stream.jsonl results.json [--frames N]

A file whose writer was killed is read up to its last whole line. Its tracks are those of a stream
that ends there.
"""

from __future__ import annotations

import argparse
import sys

from rocovis_mm.apis import results_from_log, write_json
from rocovis_mm.console import print_anything


def main() -> None:
    """Convert a file."""
    print_anything()
    parser = argparse.ArgumentParser(description='Results of a stream to YouTube-VIS json')
    parser.add_argument('log', help='file that a stream has written, line by line')
    parser.add_argument('out', help='results file to write')
    parser.add_argument('--frames', type=int, help='take the first N frames only')
    args = parser.parse_args()
    try:
        tracks = results_from_log(args.log, args.frames)
        write_json(args.out, tracks)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'{args.out}: {len(tracks)} tracks')


if __name__ == '__main__':
    main()

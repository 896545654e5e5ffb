"""Reduce a checkpoint to weights, classes and config, for publication.

python tools/misc/publish_model.py work_dirs/run/best_AP_iter_20000.pth rocovis_r50.pth

writes rocovis_r50-<first eight hex digits of the file's sha256>.pth.
"""

from __future__ import annotations

import argparse

from rocovis_mm.checkpoints import publish_file
from rocovis_mm.console import print_anything


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Make a slim checkpoint')
    parser.add_argument('source', help='checkpoint that a run wrote')
    parser.add_argument('target', help='file to write; its hash is put before the ending')
    return parser.parse_args()


def main() -> None:
    """Publish."""
    print_anything()
    args = parse_args()
    try:
        _, report = publish_file(args.source, args.target)
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    print(report)


if __name__ == '__main__':
    main()

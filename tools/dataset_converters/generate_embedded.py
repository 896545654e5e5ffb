"""Generate the embedded data set: moving shapes with exact masks, in YouTube-VIS json.

python tools/dataset_converters/generate_embedded.py data/embedded [--seed 0] [--height 96] ...
python tools/dataset_converters/generate_embedded.py data/embedded_hard --difficulty hard

A folder made with the same settings is reused. A folder made with other settings is replaced. The
folder appears whole or not at all.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from rocovis_mm.console import print_anything
from rocovis_mm.datasets.embedded import EmbeddedRecipe, make_embedded_dataset
from rocovis_mm.datasets.embedded.embedded_dataset import HARD_SIZES, VERSIONS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Generate the embedded data set')
    parser.add_argument('root', nargs='?', default='data/embedded', type=Path, help='its folder')
    parser.add_argument(
        '--difficulty',
        choices=VERSIONS,
        default='easy',
        help='hard: objects that are only distinguished by their past [easy]',
    )
    for field in fields(EmbeddedRecipe):
        if field.name not in ('difficulty', 'version'):
            name = '--' + field.name.replace('_', '-')
            sizes = field.default, HARD_SIZES.get(field.name, field.default)
            text = str(sizes[0]) if sizes[0] == sizes[1] else f'{sizes[0]}, hard: {sizes[1]}'
            parser.add_argument(
                name, type=int, default=argparse.SUPPRESS, metavar='N', help=f'[{text}]'
            )
    return parser.parse_args()


def main() -> None:
    """Generate."""
    print_anything()
    settings = vars(parse_args())
    root = settings.pop('root')
    try:
        dataset = make_embedded_dataset(
            root, EmbeddedRecipe.of_difficulty(**settings), progress=True
        )
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'{dataset.root}: train.json, val.json, JPEGImages/')


if __name__ == '__main__':
    main()

"""Generate the embedded data set: moving shapes with exact masks, in YouTube-VIS json.

python tools/dataset_converters/generate_embedded.py data/embedded [--seed 0] [--height 96] ...

A folder made with the same settings is used again; one made with others is replaced. The
folder appears whole or not at all.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from rocovis_mm.console import print_anything
from rocovis_mm.testing import EmbeddedRecipe, make_embedded_dataset


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Generate the embedded data set')
    parser.add_argument('root', nargs='?', default='data/embedded', type=Path, help='its folder')
    for field in fields(EmbeddedRecipe):
        if field.name != 'version':
            name = '--' + field.name.replace('_', '-')
            parser.add_argument(name, type=int, default=field.default, help=f'[{field.default}]')
    return parser.parse_args()


def main() -> None:
    """Generate."""
    print_anything()
    settings = vars(parse_args())
    root = settings.pop('root')
    try:
        dataset = make_embedded_dataset(root, EmbeddedRecipe(**settings), progress=True)
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    print(f'{dataset.root}: train.json, val.json, JPEGImages/')


if __name__ == '__main__':
    main()

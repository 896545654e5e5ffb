"""Convert Detectron2's checkpoints of the models that --model lists, and back.

python tools/model_converters/detectron2_to_mm.py model_final_3c8ec9.pkl mask2former_r50.pth
python tools/model_converters/detectron2_to_mm.py minvis.pth minvis_r50.pth --model minvis
python tools/model_converters/detectron2_to_mm.py genvis_r50.pth back.pkl --reverse

docs/checkpoints.md says which published checkpoint goes to which config.
"""

from __future__ import annotations

import argparse

from rocovis_mm.checkpoints import KINDS, convert_file
from rocovis_mm.console import print_anything


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Convert Detectron2's checkpoints")
    parser.add_argument('source', help='.pkl or .pth; its content tells which it is')
    parser.add_argument('target', help='the file to write, .pth (with --reverse also .pkl)')
    parser.add_argument(
        '--model',
        choices=['auto', *KINDS],
        default='auto',
        help='its model [auto; a MinVIS and a Mask2Former of videos cannot be told from a '
        'Mask2Former and are called one]',
    )
    parser.add_argument(
        '--entry',
        default='model',
        help='entry of the checkpoint that holds the weights, say model_ema [model]',
    )
    parser.add_argument(
        '--reverse', action='store_true', help="from MMEngine's form to Detectron2's"
    )
    return parser.parse_args()


def main() -> None:
    """Convert."""
    print_anything()
    args = parse_args()
    try:
        print(convert_file(args.source, args.target, args.model, args.entry, args.reverse))
    except (OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error


if __name__ == '__main__':
    main()

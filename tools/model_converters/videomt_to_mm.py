"""Convert a folder of VidEoMT's weights in the form of transformers to a checkpoint.

python tools/model_converters/videomt_to_mm.py work_dirs/videomt videomt.pth

The tools that take a config and a checkpoint then take VidEoMT too: docs/peers/videomt.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
from rocovis_mm.checkpoints.files import write_checkpoint
from rocovis_mm.console import print_anything
from rocovis_mm.models import VidEoMT


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Convert VidEoMT's weights")
    parser.add_argument('source', help='folder with config.json and model.safetensors')
    parser.add_argument('target', help='the checkpoint to write, .pth')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert."""
    print_anything()
    args = parse_args(arguments)
    try:
        model = VidEoMT(track_head=dict(type='rocovis_mm.VidEoMTHead', weights=args.source))
        meta = {'dataset_meta': getattr(model, 'dataset_meta', {})}
        write_checkpoint(dict(state_dict=model.state_dict(), meta=meta), args.target)
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    head = model.track_head
    print(
        f'{args.target}: {head.num_queries} queries, {head.num_classes} classes, images of '
        f'{head.image_size} x {head.image_size}'
    )


if __name__ == '__main__':
    main()

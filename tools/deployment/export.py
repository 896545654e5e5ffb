"""Export the step of a model: one frame and its past in, prediction and new past out.

    python tools/deployment/export.py CONFIG CHECKPOINT --size 360 640 --out model.onnx
    python tools/deployment/export.py CONFIG CHECKPOINT --size 360 640 --out model.xml
    python tools/deployment/export.py CONFIG CHECKPOINT --size 360 640 --out model.pt2

``RoCoVISInferencer`` runs an .onnx file in onnxruntime and an .xml file in OpenVINO; they need
``pip install -r requirements/export.txt``. A .pt2 file is a ``torch.export`` program. All contain
the classes, their category ids and the test pipeline, as json under the key ``rocovis_mm``. Shapes
are fixed: the inferencer fits other frames into the size the file was exported for. The exported
file is then run beside the model over --verify random frames.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import numpy as np
import torch

from rocovis_mm.apis import RoCoVISInferencer
from rocovis_mm.console import print_anything
from rocovis_mm.deployment import (
    ExportedModel,
    FrameStep,
    export_onnx,
    export_openvino,
    export_program,
    frame_step,
)
from rocovis_mm.deployment.file_metadata import METADATA, metadata_of
from rocovis_mm.formats.whole_files import whole_with_companions
from rocovis_mm.utils import OptionAction, check_checkpoint, load_config

CLOSE = 1e-3
"""Largest difference of a logit that passes as equal, relative to the largest logit."""
WRITERS = {'.onnx': export_onnx, '.xml': export_openvino}
"""Ending -> what writes files that :class:`ExportedModel` reads."""
Step = Callable[[np.ndarray, tuple], tuple]
"""A frame and the state before it -> class logits, mask logits, the state after it."""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--size', type=int, nargs=2, required=True, metavar=('H', 'W'))
    parser.add_argument('--out', required=True, help='file to write, .onnx, .xml or .pt2')
    parser.add_argument('--verify', type=int, default=5, help='random frames to compare over')
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionAction, help='override settings of the config'
    )
    parser.add_argument(
        '--allow-missing', action='store_true', help='weights that the checkpoint lacks stay random'
    )
    args = parser.parse_args()
    if Path(args.out).suffix not in (*WRITERS, '.pt2'):
        parser.error(f'--out {args.out}: give a name that ends in .onnx, .xml or .pt2')
    if min(args.size) < 1:
        parser.error(f'--size {args.size}: give height and width in pixels')
    return args


def by_model(step: FrameStep) -> Step:
    """Return the model's own step on arrays."""

    @torch.no_grad()
    def run(frame: np.ndarray, state: tuple) -> tuple:
        classes, masks, *after = step(torch.from_numpy(frame), *state)
        return classes.numpy(), masks.numpy(), tuple(after)

    return run


def by_runtime(path: str) -> tuple[Step, tuple]:
    """Return the step of an .onnx or .xml file and its first state."""
    model = ExportedModel(path)
    names = tuple(model.first_state())

    def run(frame: np.ndarray, state: tuple) -> tuple:
        classes, masks, after = model.step(frame, dict(zip(names, state)))
        return classes, masks, tuple(after.values())

    return run, tuple(model.first_state().values())


def largest_difference(step: FrameStep, exported: Step, first: tuple, frames: int) -> float:
    """Return how far the exported logits stray over a random video, relative to the largest."""
    rng = np.random.default_rng(0)
    mine, other, worst = tuple(step.first_state().values()), first, 0.0
    model = by_model(step)
    for _ in range(frames):
        frame = rng.integers(0, 256, (*step.size, 3), dtype=np.uint8)
        *expected, mine = model(frame, mine)
        *result, other = exported(frame, other)
        for one, two in zip(expected, result):
            worst = max(worst, float(np.abs(one - two).max() / np.abs(one).max()))
    return worst


def export(args: argparse.Namespace) -> float:
    """Write the file and return its largest difference from the model."""
    check_checkpoint(args.checkpoint)
    config = load_config(args.config, args.cfg_options)
    inferencer = RoCoVISInferencer(
        config, args.checkpoint, device='cpu', allow_missing=args.allow_missing
    )
    model, size = inferencer.model, tuple(args.size)
    step = frame_step(model, size)
    texts = inferencer.classes, inferencer.category_ids, inferencer.pipeline
    if Path(args.out).suffix in WRITERS:
        WRITERS[Path(args.out).suffix](model, size, args.out, *texts)
        return largest_difference(step, *by_runtime(args.out), args.verify)
    metadata = metadata_of(step, *texts)
    program = export_program(model, size)
    with whole_with_companions(args.out) as temporary:
        torch.export.save(program, temporary, extra_files={METADATA: metadata})
    exported = by_model(torch.export.load(args.out).module())
    return largest_difference(step, exported, tuple(step.first_state().values()), args.verify)


def main() -> None:
    """Export and verify."""
    print_anything()
    args = parse_args()
    try:
        difference = export(args)
    except (FileNotFoundError, ModuleNotFoundError, TypeError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'{args.out}: logits differ by at most {difference:.1e} of the largest')
    if difference > CLOSE:
        sys.exit(f'error: that is more than {CLOSE:.0e}: the file is not equal to the model')


if __name__ == '__main__':
    main()

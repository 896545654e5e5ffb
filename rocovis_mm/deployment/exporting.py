"""From a model to a ``torch.export`` program or an ONNX file."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from rocovis_mm.deployment.file_metadata import METADATA, Steps, metadata_of
from rocovis_mm.deployment.frame_step import FrameStep, frame_step
from rocovis_mm.deployment.runtimes import require_packages
from rocovis_mm.models.vis import OnlineVISModel


def export_program(model: OnlineVISModel, size: tuple[int, int]) -> torch.export.ExportedProgram:
    """Return a model's step as a ``torch.export`` program.

    Args:
        model: RoCoVIS, DVIS, MinVIS, or GenVIS with a bounded memory.
        size: (H, W) of the frames.

    Raises:
        TypeError: the model's step cannot be exported.
        ValueError: its memory has no fixed size.
    """
    with ready_to_export(model, size) as (step, arguments):
        return torch.export.export(step, arguments)


def export_onnx(
    model: OnlineVISModel,
    size: tuple[int, int],
    path: str | Path,
    classes: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    pipeline: Steps | None = None,
) -> None:
    """Write a model's step as an ONNX file that :class:`ExportedModel` reads.

    Args:
        model: as in :func:`export_program`.
        size: (H, W) of the frames.
        path: file to write.
        classes: names by label, kept in the file.
        category_ids: json category ids by label, kept in the file.
        pipeline: test pipeline without the step that loads a frame, kept in the file.

    Raises:
        ModuleNotFoundError: onnx or onnxscript is not installed.
        TypeError: the model's step cannot be exported.
        ValueError: its memory has no fixed size.
    """
    require_packages('onnx', 'onnxscript')
    with ready_to_export(model, size) as (step, arguments):
        names = list(step.state_shapes)
        program = torch.onnx.export(
            step,
            arguments,
            dynamo=True,
            input_names=['frame', *names],
            output_names=['class_logits', 'mask_logits', *(f'new_{name}' for name in names)],
            verbose=False,
        )
    program.model.metadata_props[METADATA] = metadata_of(step, classes, category_ids, pipeline)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    program.save(str(path))


@contextmanager
def ready_to_export(
    model: OnlineVISModel, size: tuple[int, int]
) -> Iterator[tuple[FrameStep, tuple[torch.Tensor, ...]]]:
    """Yield a model's step, on the CPU, and its arguments.

    Modules with an attribute ``exporting`` use operations that exporters know. The step runs
    once before: constants that depend on the size are made and kept.
    """
    step = frame_step(copy.deepcopy(model).cpu().requires_grad_(False), size)
    for module in step.modules():
        if hasattr(module, 'exporting'):
            module.exporting = True
    arguments = (torch.zeros((*size, 3), dtype=torch.uint8), *step.first_state().values())
    with torch.no_grad():
        step(*arguments)
        yield step, arguments

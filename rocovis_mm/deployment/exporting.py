"""From a model to a ``torch.export`` program, an ONNX file or an OpenVINO file."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from rocovis_mm.deployment.file_metadata import METADATA, Steps, metadata_of
from rocovis_mm.deployment.frame_step import FrameStep, frame_step
from rocovis_mm.deployment.runtimes import require_packages
from rocovis_mm.formats.whole_files import whole_with_companions
from rocovis_mm.models.vis import OnlineVISModel

if TYPE_CHECKING:  # optional packages
    import onnx_ir
    import openvino

KEEP_FLOAT32 = 'precise_0'
"""Key of OpenVINO's runtime information of an operation whose precision stays."""


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
            optimize=False,
        )
    simplify_onnx(program.model)
    program.model.metadata_props[METADATA] = metadata_of(step, classes, category_ids, pipeline)
    with whole_with_companions(path) as temporary:
        program.save(str(temporary))


def simplify_onnx(model: onnx_ir.Model) -> None:
    """Inline functions and fold constants.

    The rewrite rules that ``torch.onnx.export`` applies beside take two thirds of an export.
    onnxruntime has rules of its own when it loads a file, and takes as long for a frame.
    """
    from onnx_ir.passes import common as passes
    from onnxscript.optimizer import fold_constants

    passes.InlinePass()(model)
    fold_constants(model)
    for clean in (passes.RemoveUnusedNodesPass, passes.RemoveUnusedFunctionsPass):
        clean()(model)


def export_openvino(
    model: OnlineVISModel,
    size: tuple[int, int],
    path: str | Path,
    classes: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    pipeline: Steps | None = None,
) -> None:
    """Write a model's step as an OpenVINO file, which is faster there than the ONNX file.

    Attention and the sampling of deformable attention are operations of OpenVINO, for which
    ONNX has none. Places of samples are marked to stay float32, so that the file can also run
    in bfloat16.

    Args:
        model: as in :func:`export_program`.
        size: (H, W) of the frames.
        path: .xml file to write; its weights get the same name with .bin.
        classes: as in :func:`export_onnx`.
        category_ids: as in :func:`export_onnx`.
        pipeline: as in :func:`export_onnx`.

    Raises:
        ModuleNotFoundError: openvino is not installed.
        TypeError: the model's step cannot be exported.
        ValueError: its memory has no fixed size.
    """
    require_packages('openvino')
    import openvino

    with ready_to_export(model, size, bags=True) as (step, arguments):
        converted = openvino.convert_model(
            torch.export.export(step, arguments),
            input=[(list(x.shape), openvino.Type(x.numpy().dtype)) for x in arguments],
        )
        text = metadata_of(step, classes, category_ids, pipeline)
    names = list(step.state_shapes)
    for place, name in zip(converted.inputs, ['frame', *names]):
        place.get_tensor().set_names({name})
    outputs = ['class_logits', 'mask_logits', *(f'new_{name}' for name in names)]
    for place, name in zip(converted.outputs, outputs):
        place.get_tensor().set_names({name})
    keep_places_precise(converted)
    converted.set_rt_info(text, [METADATA])
    with whole_with_companions(path) as temporary:
        openvino.save_model(converted, str(temporary), compress_to_fp16=False)


def keep_places_precise(model: openvino.Model) -> None:
    """Mark the operations between a matrix product and a bag of samples to stay float32.

    Numbers of table rows, and places in a map, are too large for bfloat16.
    """
    waiting = [x for x in model.get_ordered_ops() if x.get_type_name().startswith('EmbeddingBag')]
    marked = set()
    while waiting:
        operation = waiting.pop()
        name = operation.get_friendly_name()
        if name not in marked and operation.get_type_name() != 'MatMul':
            marked.add(name)
            operation.get_rt_info()[KEEP_FLOAT32] = ''
            waiting.extend(x.get_source_output().get_node() for x in operation.inputs())


@contextmanager
def ready_to_export(
    model: OnlineVISModel, size: tuple[int, int], bags: bool = False
) -> Iterator[tuple[FrameStep, tuple[torch.Tensor, ...]]]:
    """Yield a model's step, on the CPU, and its arguments.

    Modules with an attribute ``exporting`` use operations that exporters know. The step runs
    once before: constants that depend on the size are made and kept.

    Args:
        model: as in :func:`export_program`.
        size: (H, W) of the frames.
        bags: whether the exporter knows ``embedding_bag``, see ``DeformableAttention.bags``.
    """
    step = frame_step(copy.deepcopy(model).cpu().requires_grad_(False), size)
    for module in step.modules():
        if hasattr(module, 'exporting'):
            module.exporting = True
        if hasattr(module, 'bags'):
            module.bags = bags
    arguments = (torch.zeros((*size, 3), dtype=torch.uint8), *step.first_state().values())
    with torch.no_grad():
        step(*arguments)
        yield step, arguments

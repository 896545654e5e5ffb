"""Exported files whose large layers compute in 8-bit integers.

N queries, H x W the frames of a file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import Compose

from rocovis_mm.deployment.exported_model import ExportedModel
from rocovis_mm.deployment.file_metadata import METADATA, with_precision
from rocovis_mm.deployment.runtimes import Arrays, openvino_core, require_packages
from rocovis_mm.formats.whole_files import whole_with_companions

Clips = Callable[[], Iterable[Iterable[np.ndarray]]]
"""Returns videos of frames (H, W, 3) uint8 BGR of any size, each time from their beginning."""
ONNX_LAYERS = ('Conv', 'MatMul', 'Gemm')
"""Kinds of nodes of which some are quantised."""


def quantise(path: str | Path, out: str | Path, clips: Clips, frames: int = 10) -> int:
    """Write an 8-bit copy of an exported file.

    Convolutions, and linear layers of feature maps, get integer weights and inputs. All else
    stays float: the linear layers of the queries, each product of two computed tensors (mask
    embeddings with features, attention, what is written into the memory), softmax, sampling,
    normalisation and the state. So nothing that is fed back from frame to frame is rounded to 8
    bits itself.

    The range of each input is measured while the float file runs over the clips, each with the
    state that its frames leave, as at test time.

    Args:
        path: .onnx or .xml file of ``tools/deployment/export.py``.
        out: file to write, with the same ending.
        clips: videos like those that the file will be used for.
        frames: first frames of each clip that are used.

    Returns:
        number of the frames that were used.

    Raises:
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: onnxruntime, OpenVINO or NNCF is not installed.
        ValueError: the file is of another kind, is quantised already, or there are no frames.
    """
    path, out = Path(path), Path(out)
    kind = path.suffix.lower()
    if kind not in WRITERS or out.suffix.lower() != kind:
        raise ValueError(
            f'{path} to {out}: give a file that ends in {" or ".join(WRITERS)}, and a name to '
            'write with the same ending'
        )
    if path.resolve() == out.resolve():
        raise ValueError(f'{out}: is the file to quantise; give another name')
    model = ExportedModel(path)
    if model.metadata.precision != 'float32':
        raise ValueError(f'{path} is {model.metadata.precision} already; give the float32 file')
    number = sum(1 for clip in clips() for _ in islice(clip, frames))
    if not number:
        raise ValueError('no frames to calibrate with: give at least one clip')
    with whole_with_companions(out) as temporary:
        WRITERS[kind](model, temporary, CalibrationInputs(model, clips, frames, number))
    return number


def quantise_openvino(model: ExportedModel, out: Path, inputs: CalibrationInputs) -> None:
    """Write an 8-bit copy of an .xml file by NNCF."""
    require_packages('nncf')
    os.environ.setdefault('NNCF_CI', '1')  # it sends no usage statistics then
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    graph = openvino_core().read_model(str(model.path))
    chosen = set(large_layers(graph, model.metadata.num_queries))
    names = {
        node.get_friendly_name()
        for node in graph.get_ordered_ops()
        if node.get_type_name() not in ('Constant', 'Parameter', 'Result')
    }
    quantised = nncf.quantize(
        graph,
        nncf.Dataset(inputs),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(inputs),
        ignored_scope=nncf.IgnoredScope(names=sorted(names - chosen), validate=False),
    )
    quantised.set_rt_info(with_precision(model.runtime.metadata, 'int8'), [METADATA])
    openvino.save_model(quantised, str(out), compress_to_fp16=False)


def quantise_onnx(model: ExportedModel, out: Path, inputs: CalibrationInputs) -> None:
    """Write an 8-bit copy of an .onnx file by onnxruntime."""
    require_packages('onnx')
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        """Gives the inputs one by one."""

        def __init__(self) -> None:
            self.inputs = iter(inputs)

        def get_next(self) -> Arrays | None:
            """Return the next inputs, None after the last."""
            return next(self.inputs, None)

    quantize_static(
        str(model.path),
        str(out),
        Reader(),
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
        nodes_to_quantize=large_onnx_layers(onnx.load(model.path), model.metadata.num_queries),
        op_types_to_quantize=list(ONNX_LAYERS),
    )
    file = onnx.load(out)
    texts = {entry.key: entry.value for entry in file.metadata_props}
    texts[METADATA] = with_precision(model.runtime.metadata, 'int8')
    onnx.helper.set_model_props(file, texts)
    onnx.save(file, out)


WRITERS = {'.xml': quantise_openvino, '.onnx': quantise_onnx}
"""Ending -> writer."""


def large_onnx_layers(file: Any, num_queries: int) -> list[str]:
    """Return the names of the layers that are quantised; see :func:`large_layers`.

    Args:
        file: an ``onnx.ModelProto`` with the shapes of its tensors.
        num_queries: N.
    """
    graph = file.graph
    weights = {tensor.name for tensor in graph.initializer}
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    return [
        node.name
        for node in graph.node
        if node.op_type in ONNX_LAYERS
        and weights & set(node.input)
        and (node.op_type == 'Conv' or num_queries not in shapes.get(node.output[0], ())[1:])
    ]


def large_layers(graph: Any, num_queries: int) -> list[str]:
    """Return the names of the layers that are quantised.

    They are the convolutions and the products with a weight, except those whose result has one
    row for each query: those are small, and the classes, the masks and the memory depend on them.

    Args:
        graph: an ``openvino.Model``.
        num_queries: N.
    """
    names = []
    for node in graph.get_ordered_ops():
        kind = node.get_type_name()
        weighted = any(is_weight(x.get_source_output().get_node()) for x in node.inputs())
        of_queries = num_queries in list(node.output(0).shape)[1:] if node.outputs() else False
        if kind in ('Convolution', 'GroupConvolution') or (
            kind == 'MatMul' and weighted and not of_queries
        ):
            names.append(node.get_friendly_name())
    return names


def is_weight(node: Any) -> bool:
    """Whether a node of OpenVINO is a constant, possibly of another type."""
    if node.get_type_name() == 'Convert':
        node = node.input(0).get_source_output().get_node()
    return node.get_type_name() == 'Constant'


class CalibrationInputs:
    """The inputs of a file over the first frames of some videos; each iteration runs them anew.

    Args:
        model: the float file, whose state after a frame is the input at the next one.
        clips: the videos.
        frames: most frames of each.
        number: of all frames.
    """

    def __init__(self, model: ExportedModel, clips: Clips, frames: int, number: int) -> None:
        self.model, self.clips, self.frames, self.number = model, clips, frames, number

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[Arrays]:
        for clip in self.clips():
            state = self.model.first_state()
            for frame in fitted(self.model, islice(clip, self.frames)):
                yield dict(state, frame=frame)
                *_, state = self.model.step(frame, state)


def fitted(model: ExportedModel, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield frames at the size of a file, as its test pipeline fits them."""
    steps = [step for step in model.metadata.pipeline if step['type'].endswith('FitInto')]
    fit = Compose(steps)
    for frame in frames:
        yield fit(dict(img=frame))['img']


def agreement(one: ExportedModel, other: ExportedModel, clips: Clips, frames: int) -> float:
    """Return the mean IoU of two files' masks, each with its own state, over the clips.

    A query counts in the frames in which file `one` finds an object with a mask.
    """
    found: list[float] = []
    for clip in clips():
        states = [one.first_state(), other.first_state()]
        for frame in fitted(one, islice(clip, frames)):
            masks = []
            for n, model in enumerate((one, other)):
                classes, logits, states[n] = model.step(frame, states[n])
                seen = classes[0, :, :-1].max(-1) > classes[0, :, -1]
                masks.append((logits[0] > 0) & seen[:, None, None])
            counted = masks[0].any((1, 2))
            common, union = masks[0] & masks[1], masks[0] | masks[1]
            found.extend(common[counted].sum((1, 2)) / union[counted].sum((1, 2)))
    return float(np.mean(found)) if found else 1.0

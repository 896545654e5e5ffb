"""An OpenVINO file whose large layers compute in 8-bit integers.

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
from rocovis_mm.deployment.runtimes import Arrays, require_packages

Clips = Callable[[], Iterable[Iterable[np.ndarray]]]
"""Returns videos of frames (H, W, 3) uint8 BGR of any size, each time from their beginning."""


def quantise(path: str | Path, out: str | Path, clips: Clips, frames: int = 10) -> int:
    """Write an 8-bit copy of an OpenVINO file.

    Convolutions, and linear layers of feature maps, get integer weights and inputs. All else
    stays float: the linear layers of the queries, each product of two computed tensors (mask
    embeddings with features, attention, what is written into the memory), softmax, sampling,
    normalisation and the state. So nothing that is fed back from frame to frame is rounded to 8
    bits itself.

    The range of each input is measured while the float file runs over the clips, each with the
    state that its frames leave, as at test time.

    Args:
        path: .xml file of ``tools/deployment/export.py``.
        out: .xml file to write, and a .bin file beside it.
        clips: videos like those that the file will be used for.
        frames: first frames of each clip that are used.

    Returns:
        number of the frames that were used.

    Raises:
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: OpenVINO or NNCF is not installed.
        ValueError: the file is of another kind, is quantised already, or there are no frames.
    """
    if Path(path).suffix.lower() != '.xml' or Path(out).suffix.lower() != '.xml':
        raise ValueError(
            f'{path} to {out}: only OpenVINO files (.xml) are quantised; export the model as .xml'
        )
    if Path(path).resolve() == Path(out).resolve():
        raise ValueError(f'{out}: is the file to quantise; give another name')
    require_packages('openvino', 'nncf')
    os.environ.setdefault('NNCF_CI', '1')  # it sends no usage statistics then
    import nncf
    import openvino

    model = ExportedModel(path)
    if model.metadata.precision != 'float32':
        raise ValueError(f'{path} is {model.metadata.precision} already; give the float32 file')
    number = sum(1 for clip in clips() for _ in islice(clip, frames))
    if not number:
        raise ValueError('no frames to calibrate with: give at least one clip')
    nncf.set_log_level(logging.ERROR)
    graph = openvino.Core().read_model(str(path))
    chosen = set(large_layers(graph, model.metadata.num_queries))
    others = [
        node.get_friendly_name()
        for node in graph.get_ordered_ops()
        if node.get_type_name() not in ('Constant', 'Parameter', 'Result')
        and node.get_friendly_name() not in chosen
    ]
    quantised = nncf.quantize(
        graph,
        nncf.Dataset(CalibrationInputs(model, clips, frames, number)),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=number,
        ignored_scope=nncf.IgnoredScope(names=others, validate=False),
    )
    text = with_precision(model.runtime.metadata, 'int8')
    quantised.set_rt_info(text, [METADATA])
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(quantised, str(out), compress_to_fp16=False)
    return number


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

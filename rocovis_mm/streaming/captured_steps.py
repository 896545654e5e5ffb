"""Steps of a model that are compiled or captured once for each size of video.

A step of the recurrence is hundreds of small kernels, and a GPU waits for the CPU to launch them.
A CUDA graph launches all of them at once, but for fixed shapes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, Protocol, Union

import torch
from torch import Tensor, nn

from rocovis_mm.structures import Detection, FramePrediction, StreamState

MAX_SIZES = 4
"""Sizes of videos that are captured. Each one takes device memory for a whole frame."""
MAX_NOTES = 100
"""Sizes whose latest past is noted."""
WARM_UPS = 3
"""Runs before a capture, in which libraries choose their kernels and take their memory."""

Outcome = tuple[FramePrediction, StreamState]
Part = tuple[Union[FramePrediction, Detection], StreamState]
"""The output of a divided model's network."""
Function = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""From the tensors of a frame and its past to those of an outcome."""


class DividedModel(Protocol):
    """A model whose step is in two parts; see ``OnlineVISModel``."""

    def network(self, images: Tensor, state: StreamState) -> Part:
        """Return the part of a step that only computes on the device."""

    def conclude(self, outcome: Part, state: StreamState) -> Outcome:
        """Return the result of the step."""


class Captured(NamedTuple):
    """A captured step.

    Attributes:
        past: shapes of the tensors of the past that it takes.
        function: runs it.
        template: an outcome, whose tensors are replaced.
        kept: tensors that the step reads beside weights. Nobody else may free them.
    """

    past: tuple
    function: Function
    template: Part
    kept: list[dict[str, Any]]


class CapturedSteps:
    """Runs a model's steps, those of a few sizes by captured functions.

    A size is that of the images, the batch included. Its step is captured once, when the same
    past has come twice in a row, which is when the memory is full. All other steps run as ever:

    - the first frames of a video
    - videos with another memory than the captured one
    - sizes beyond the first `max_sizes`
    - models that remember all frames (GenVIS with ``memory_frames=None``)

    Args:
        model: at test time, on its device. It stays there, and keeps its weights' memory.
        way: one of `WAYS`. ``compile`` is ``torch.compile``, ``reduce-overhead`` is the same
            with CUDA graphs, and ``graphs`` captures the kernels as they are.
        max_sizes: sizes that are captured.

    Raises:
        ValueError: unknown `way`, or ``graphs`` without a CUDA device.
    """

    def __init__(self, model: DividedModel, way: str, max_sizes: int = MAX_SIZES) -> None:
        if way not in WAYS:
            raise ValueError(f'accelerate={way!r}: choose one of {", ".join(WAYS)}')
        if way == 'graphs' and not all(x.is_cuda for x in model.parameters()):
            raise ValueError(
                "accelerate='graphs' captures CUDA graphs, but the model is not on a CUDA device: "
                "give device='cuda', or accelerate='compile'"
            )
        self.model = model
        self.make = WAYS[way]
        self.max_sizes = max_sizes
        self.captured: dict[tuple, Captured | None] = {}  # None where it failed
        self.latest: dict[tuple, tuple] = {}  # size -> past of its latest frame
        self.full = False  # whether a size came for which there was no place

    def __call__(self, images: Tensor, state: StreamState) -> Outcome:
        """Predict one frame of B streams and return their new past, as ``model.step``."""
        tensors = tensors_of(state)
        size = (
            images.shape,
            precision(images.device.type),
            next(self.model.parameters()).data_ptr(),
        )
        past = tuple(x.shape for x in tensors)
        captured = self.captured.get(size)
        if captured is not None and captured.past == past:
            outcome = refill(captured.template, captured.function([images, *tensors]))
        else:
            outcome = self.model.network(images, state)
            wanted = state.started and size not in self.captured
            if wanted and self._came_twice(size, past):
                self._capture(size, past, images, state, outcome)
        return self.model.conclude(outcome, state)

    def _came_twice(self, size: tuple, past: tuple) -> bool:
        """Note the past of a frame; return whether it is that of the frame before."""
        if len(self.latest) >= MAX_NOTES:
            self.latest.clear()
        before, self.latest[size] = self.latest.get(size), past
        return before == past

    def _capture(
        self, size: tuple, past: tuple, images: Tensor, state: StreamState, outcome: Part
    ) -> None:
        """Capture the step of a size, if there is a place for it."""
        if len(self.captured) >= self.max_sizes:
            if not self.full:
                warnings.warn(
                    f'{self.max_sizes} sizes of videos are captured: images of '
                    f'{tuple(images.shape)}, and any further size, run without'
                )
            self.full = True
            return
        before = emptied((replace(state, tracks=()),))  # `conclude` alone reads banks of tracks

        def step(tensors: Sequence[Tensor]) -> list[Tensor]:
            (past,) = refill(before, tensors[1:])
            return [x for part in self.model.network(tensors[0], past) for x in tensors_of(part)]

        try:
            function = self.make(step, [images, *tensors_of(state)])
            captured = Captured(past, function, emptied(outcome), caches(self.model))
        except RuntimeError as error:
            captured = None
            warnings.warn(
                f'the step for images of {tuple(images.shape)} cannot be captured and runs '
                f'without ({type(error).__name__}: {error})'
            )
        self.captured[size] = captured


def tensors_of(part: FramePrediction | Detection | StreamState) -> list[Tensor]:
    """Return the tensors of a prediction, a detection or a state, in the order of its ``map``."""
    found: list[Tensor] = []
    part.map(lambda x: found.append(x) or x)
    return found


def emptied(parts: Sequence[Any]) -> tuple[Any, ...]:
    """Return the same parts with tensors that hold nothing."""
    return tuple(part.map(lambda x: x.new_empty(0)) for part in parts)


def refill(parts: Sequence[Any], tensors: Sequence[Tensor]) -> tuple[Any, ...]:
    """Return the same parts with other tensors."""
    rest = iter(tensors)
    return tuple(part.map(lambda _: next(rest)) for part in parts)


def precision(device: str) -> torch.dtype | None:
    """Return the type that autocast computes in, None where it is off."""
    if hasattr(torch, 'get_autocast_dtype'):  # torch >= 2.4
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    if device == 'cuda':
        return torch.get_autocast_gpu_dtype() if torch.is_autocast_enabled() else None
    return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None


def caches(model: nn.Module) -> list[dict[str, Any]]:
    """Return the state of modules beside weights, so that it lives on when they drop it."""
    return [
        {name: dict(value) for name, value in vars(module).items() if isinstance(value, dict)}
        for module in model.modules()
    ]


def compiled(step: Function, tensors: Sequence[Tensor], **options: str) -> Function:
    """Compile a step for the shapes of `tensors`; `options` are those of ``torch.compile``."""
    function = torch.compile(step, dynamic=False, **options)
    function(tensors)
    if not options:
        return function

    def run(tensors: Sequence[Tensor]) -> list[Tensor]:
        torch.compiler.cudagraph_mark_step_begin()
        return [x.clone() for x in function(tensors)]  # the next run overwrites the graph's own

    return run


def graph(step: Function, tensors: Sequence[Tensor]) -> Function:
    """Capture the kernels of a step for the shapes of `tensors`, which are on a CUDA device."""
    inputs = [x.clone() for x in tensors]
    cached = torch.is_autocast_cache_enabled()
    torch.clear_autocast_cache()
    torch.set_autocast_cache_enabled(False)  # weights in half precision must be the graph's own
    try:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                step(inputs)
        torch.cuda.current_stream().wait_stream(stream)
        recorded = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recorded):
            outputs = step(inputs)
    finally:
        torch.set_autocast_cache_enabled(cached)

    def run(tensors: Sequence[Tensor]) -> list[Tensor]:
        for own, given in zip(inputs, tensors):
            own.copy_(given)
        recorded.replay()
        return [x.clone() for x in outputs]  # the next replay overwrites the graph's own

    return run


WAYS = {
    'compile': compiled,
    'reduce-overhead': partial(compiled, mode='reduce-overhead'),
    'graphs': graph,
}
"""Makers of a function from a step and the tensors of a frame."""

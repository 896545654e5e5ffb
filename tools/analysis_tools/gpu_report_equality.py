"""Parts of ``gpu_report.py`` that compare: versions, the kernel, CPU and GPU.

T frames, N queries, K classes, H x W a padded input, h x w the resolution of mask logits.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
import torch.nn.functional as F
from benchmark_models import build
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch
from published_fixtures import DETECTRON2, normalized, outputs, path_of, weight, weights
from published_fixtures import build as build_published
from torch import Tensor, nn

from rocovis_mm.checkpoints import to_mm
from rocovis_mm.compat.compiled_ops import has_compiled_ops
from rocovis_mm.compat.deformable_kernels import SWITCH, has_triton_kernel
from rocovis_mm.models import OnlineVISModel
from rocovis_mm.streaming.captured_steps import CapturedSteps
from rocovis_mm.structures import StreamState

PACKAGES = ('torch', 'triton', 'mmengine', 'mmcv', 'mmcv-lite', 'mmdet', 'numpy', 'rocovis_mm')
DTYPES = dict(float32=None, bfloat16=torch.bfloat16, float16=torch.float16)
"""Name -> type of autocast."""
HEADS, POINTS, CHANNELS = 8, 4, 32
"""Of deformable attention in all full-size models: heads, points, channels of a head."""
CLIP = 8
"""Frames of a compared video: enough for a memory to fill and its step to be captured."""
TRACKS = 10
COMPARED = {
    'minvis': ('MinVIS', 'video_logits'),
    'genvis': ('GenVIS', 'pred_logits'),
    'rocovis': ('RoCoVIS', ''),
    'ctvis': ('CTVIS', 'frame_logits'),
    'dvis_online': ('DVIS', 'track_logits'),
    'idol': ('IDOL', 'frame_logits'),
}
"""Fixture -> the model and its published class logits."""
GENERATED = ('minvis', 'genvis', 'rocovis')
"""Models that are compared with generated weights where their fixture is missing."""
UNCAPTURED = ('genvis', 'idol')
"""GenVIS remembers all frames as published, and IDOL reads sizes: no step can be captured."""

Row = tuple[str, Callable[[], dict[str, Any]]]
"""The name of a row, and a function that measures its figures."""


def versions(settings: Any) -> Iterator[Row]:
    """Yield the one row of the machine and its packages."""

    def found() -> dict[str, Any]:
        figures = dict(python=platform.python_version(), cpus=os.cpu_count())
        for name in PACKAGES:
            try:
                figures[name] = version(name)
            except PackageNotFoundError:
                figures[name] = 'none'
        figures['compiled mmcv'] = has_compiled_ops()
        figures['Triton kernel'] = settings.device.type == 'cuda' and has_triton_kernel()
        if settings.device.type == 'cuda':
            device = torch.cuda.get_device_properties(settings.device)
            figures.update(
                {
                    'device': device.name,
                    'memory, GiB': device.total_memory / 2**30,
                    'compute capability': f'{device.major}.{device.minor}',
                    'CUDA': torch.version.cuda,
                    'cuDNN': torch.backends.cudnn.version(),
                    'TF32 convolutions': torch.backends.cudnn.allow_tf32,
                }
            )
        return figures

    yield 'machine', found


def seconds(function: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Return the mean time of a call after three others, in seconds, by the device's own clock."""
    for _ in range(3):
        function()
    if device.type != 'cuda':
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        return (time.perf_counter() - start) / repeats
    events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
    events[0].record()
    for _ in range(repeats):
        function()
    events[1].record()
    torch.cuda.synchronize(device)
    return events[0].elapsed_time(events[1]) / 1e3 / repeats


def kernel(settings: Any) -> Iterator[Row]:
    """Yield a row for each size and type: differences from grid_sample, and times."""
    for size in settings.sizes:
        for name, dtype in DTYPES.items():
            title = f'{size[0]}x{size[1]} {name}'
            yield title, lambda size=size, dtype=dtype: compare_kernel(settings, size, dtype)


def compare_kernel(
    settings: Any, size: tuple[int, int], dtype: torch.dtype | None
) -> dict[str, Any]:
    """Return the figures of the kernel where the device has it.

    Raises:
        ValueError: there is no Triton kernel here.
    """
    if settings.device.type != 'cuda' or not has_triton_kernel():
        raise ValueError(f'no Triton kernel on this device, or {SWITCH}=0')
    return kernel_figures(settings, size, dtype)


def kernel_figures(
    settings: Any, size: tuple[int, int], dtype: torch.dtype | None
) -> dict[str, Any]:
    """Return how far the kernel is from grid_sample of the same numbers in float32, and times."""
    device, kernel = settings.device, torch.ops.rocovis_mm.deformable_attention
    levels = [tuple(-(-side // 32) * 32 // stride for side in size) for stride in (32, 16, 8)]
    shapes = torch.tensor(levels, device=device)
    tokens = sum(h * w for h, w in levels)
    torch.manual_seed(0)
    value = torch.randn(1, tokens, HEADS, CHANNELS, device=device).to(dtype or torch.float32)
    places = torch.rand(1, tokens, 1, 1, 1, 2, device=device)
    offsets = torch.randn(1, tokens, HEADS, len(levels), POINTS, 2, device=device) * 0.05
    weights = torch.randn(1, tokens, HEADS, len(levels) * POINTS, device=device).softmax(-1)
    weights = weights.unflatten(-1, (len(levels), POINTS))
    areas = shapes.prod(1)
    leaves = [value, places + offsets, weights]
    ours = [x.detach().clone().requires_grad_() for x in leaves]
    theirs = [x.detach().float().requires_grad_() for x in leaves]
    found = kernel(ours[0], shapes, areas.cumsum(0) - areas, *ours[1:])
    wanted = multi_scale_deformable_attn_pytorch(theirs[0], levels, *theirs[1:])
    change = torch.randn_like(found)
    grads = torch.autograd.grad(found, ours, change, retain_graph=True)
    others = torch.autograd.grad(wanted, theirs, change.float(), retain_graph=True)
    figures: dict[str, Any] = {'difference of values': (found - wanted).abs().max().item()}
    for name, grad, other in zip(('values', 'places', 'weights'), grads, others):
        relative = (grad.float() - other).abs().max() / other.abs().max()
        figures[f'gradient of {name}, relative'] = relative.item()

    def forward() -> Tensor:
        return kernel(ours[0], shapes, areas.cumsum(0) - areas, *ours[1:])

    def reference() -> Tensor:
        inputs = [theirs[0].to(value.dtype), *(x.to(value.dtype) for x in theirs[1:])]
        return multi_scale_deformable_attn_pytorch(inputs[0], levels, *inputs[1:])

    change = change.to(value.dtype)
    for name, function in (('Triton', forward), ('grid_sample', reference)):
        with torch.no_grad():
            figures[f'{name}, ms'] = 1e3 * seconds(function, device, settings.frames)
        figures[f'{name} and gradient, ms'] = 1e3 * seconds(
            lambda function=function: function().backward(change), device, settings.frames
        )
    return figures


def published(name: str, settings: Any) -> tuple[OnlineVISModel, Tensor, dict[str, Tensor]]:
    """Return a published model at its fixture's sizes, the frames, and what its code gave."""
    kind = name if name in DETECTRON2 else 'auto'
    checkpoint = to_mm({'model': weights(name, settings.shared)}, kind)
    found = outputs(name, settings.shared)
    return build_published(checkpoint), normalized(found.pop('frames')), found


def generated(name: str) -> tuple[OnlineVISModel, Tensor, dict[str, Tensor]]:
    """Return a tiny model whose weights are made by the rule, and smooth random frames."""
    model = build(name, 'tiny')
    made = {
        key: weight(key, x.shape) for key, x in model.state_dict().items() if x.is_floating_point()
    }
    model.load_state_dict(made, strict=False)
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(CLIP, 3, 8, 12, generator=generator)
    return model, F.interpolate(coarse, (64, 96), mode='bilinear') * 2, {}


def equality(settings: Any) -> Iterator[Row]:
    """Yield rows of each model: the CPU in float32 against each type and way of the device."""
    captured = settings.device.type == 'cuda'
    for name, (method, _) in COMPARED.items():
        is_there = path_of(name, settings.shared).with_suffix('.npz').is_file()
        if not is_there and name not in GENERATED:
            continue
        for dtype in DTYPES:
            for way in (None, 'graphs') if captured and name not in UNCAPTURED else (None,):
                kind = 'published' if is_there else 'generated'
                title = f'{method}, {kind}, {dtype}, {way or "eager"}'

                def measure(name=name, method=method, kind=kind, dtype=dtype, way=way):  # noqa: ANN001, ANN202
                    return compare_devices(settings, name, method, kind, dtype, way)

                yield title, measure


def compare_devices(
    settings: Any, name: str, method: str, kind: str, dtype: str, way: str | None
) -> dict[str, Any]:
    """Return how far a video on the device is from the same on the CPU in float32."""
    key = f'compared {name}'
    if key not in settings.cache:
        model, frames, outputs = (
            published(name, settings) if kind == 'published' else generated(method)
        )
        settings.cache[key] = (model, frames, outputs, stream(model, frames))
    model, frames, outputs, (classes, masks, _) = settings.cache[key]
    model.to(settings.device)
    try:
        with exact_convolutions(), autocast(settings.device, DTYPES[dtype]):
            found = stream(model, frames.to(settings.device), way)
    finally:
        model.to('cpu')
    figures = {
        'class logits, difference': (found[0] - classes).abs().max().item(),
        'mask logits, difference': (found[1] - masks).abs().max().item(),
        'equal pixels, %': 100 * ((found[1] > 0) == (masks > 0)).float().mean().item(),
        f'tracks in common, of {TRACKS}': len(
            best_pairs(found[0], name == 'idol') & best_pairs(classes, name == 'idol')
        ),
    }
    if kind == 'published':
        theirs = outputs[COMPARED[name][1]]
        mine = found[0] if theirs.dim() == found[0].dim() else found[0].mean(0)
        figures['published class logits, difference'] = (mine - theirs).abs().max().item()
    if 'ids' in outputs:
        equal = found[2] == outputs['ids'].clamp(min=-1)
        figures['published identities, equal, %'] = 100 * equal.float().mean().item()
    return figures


@torch.no_grad()
def stream(model: nn.Module, frames: Tensor, way: str | None = None) -> tuple[Tensor, ...]:
    """Return outputs of a video, on the CPU.

    They are class logits (T, N, K + 1), mask logits (T, N, h, w) and identities (T, N) long.

    Args:
        model: on the device of the frames.
        frames: (T, 3, H, W).
        way: see :class:`CapturedSteps`; it is used on a second pass over the frames, after a
            first one in which it captures.
    """
    step = model.step if way is None else CapturedSteps(model, way)
    for _ in range(1 if way is None else 2):
        state, classes, masks, identities = StreamState(), [], [], []
        for frame in frames:
            prediction, state = step(frame[None], state)
            classes.append(prediction.class_logits[-1][0].float().cpu())
            masks.append(prediction.mask_logits[-1][0].float().cpu())
            ids = prediction.identities  # None where a query is an identity by itself
            identities.append(torch.arange(len(classes[0])) if ids is None else ids[0].cpu())
    if way is not None:
        check_captured(step)
    return torch.stack(classes), torch.stack(masks), torch.stack(identities)


def check_captured(steps: CapturedSteps) -> None:
    """Raise ValueError where no step was captured: the figures would be those of another way."""
    if not any(steps.captured.values()):
        raise ValueError('the step could not be captured; the warning above says why')


def best_pairs(classes: Tensor, sigmoid: bool = False) -> set[int]:
    """Return the best (query, class) pairs of class logits (T, N, K + 1), or K with a sigmoid."""
    probabilities = classes.sigmoid() if sigmoid else classes.softmax(-1)[..., :-1]
    scores = probabilities.amax(0).flatten()
    return set(scores.topk(TRACKS).indices.tolist())


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager:
    """Return autocast to a type; None is float32."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Let cuDNN not round float32 to TF32, as it does by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before

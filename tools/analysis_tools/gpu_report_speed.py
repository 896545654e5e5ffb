"""Parts of ``gpu_report.py`` that measure inference: speed, VidEoMT's protocol, memory.

T frames, H x W an input.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import cv2
import numpy as np
import torch
from benchmark import CLIP, Frames
from benchmark_models import MASK2FORMER, build, let_some_queries_see, share_weights
from gpu_report_equality import DTYPES, Row, autocast, check_captured, seconds
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import encode_mask_results
from torch import Tensor, nn

from rocovis_mm.datasets.embedded import plan_scene, render_video
from rocovis_mm.streaming.captured_steps import CapturedSteps
from rocovis_mm.streaming.engine import StreamEngine, VideoInProgress
from rocovis_mm.structures import StreamState
from rocovis_mm.utils.memory import peak_bytes

METHODS = ('RoCoVIS', 'MinVIS', 'GenVIS', MASK2FORMER)
OBJECTS = 10
"""Queries that are foreground, as with a trained model."""
MEMORY = 3
"""Past frames that GenVIS remembers where its step is captured: as published it remembers all."""
COMPILED = ('compile', 'reduce-overhead')
VIDEOMT = {'theirs, H100, ViT-S': 294.0, 'theirs, H100, ViT-L': 160.0}
"""Published frames per second of VidEoMT."""


def contestant(settings: Any, name: str) -> nn.Module:
    """Return a model with shared random weights on the device; it is built once."""
    models = settings.cache.setdefault('contestants', {})
    if MASK2FORMER not in models:
        torch.manual_seed(0)
        models[MASK2FORMER] = build(MASK2FORMER, settings.model_size)
        sides = (-(-side // 32) * 32 for side in settings.sizes[0])
        let_some_queries_see(models[MASK2FORMER], torch.randn(1, 3, *sides), OBJECTS)
    if name not in models:
        models[name] = build(name, settings.model_size)
        share_weights(models[MASK2FORMER], [models[name]])
    return models[name].to(settings.device).requires_grad_(False)


def frame_files(settings: Any, size: tuple[int, int]) -> list[Path]:
    """Return the files of a drawn video, written once."""
    folder = settings.out / 'frames' / f'{size[0]}x{size[1]}'
    files = [folder / f'{t:05d}.jpg' for t in range(CLIP)]
    if not all(file.is_file() for file in files):
        folder.mkdir(parents=True, exist_ok=True)
        video = render_video(plan_scene(np.random.default_rng(0), CLIP), *size)
        for file, frame in zip(files, video.frames):
            cv2.imwrite(str(file), frame)
    return files


def speed(settings: Any) -> Iterator[Row]:
    """Yield rows of frames per second, eager and by CUDA graphs."""
    graphs = ('graphs',) if settings.device.type == 'cuda' else ()
    yield from speed_rows(settings, (None, *graphs))


def compiled(settings: Any) -> Iterator[Row]:
    """Yield rows of frames per second by ``torch.compile``, half precision first."""
    yield from speed_rows(settings, COMPILED)


def speed_rows(settings: Any, ways: tuple[str | None, ...]) -> Iterator[Row]:
    """Yield a row for each size, type, way and method."""
    for size in settings.sizes:
        for dtype in reversed(DTYPES):
            for way in ways:
                for method in METHODS:
                    if method == MASK2FORMER and way in ('graphs', 'reduce-overhead'):
                        continue  # MMDetection's code waits for the device within a frame
                    title = f'{method}, {size[0]}x{size[1]}, {dtype}, {way or "eager"}'

                    def measure(size=size, dtype=dtype, way=way, method=method):  # noqa: ANN001, ANN202
                        return end_to_end(settings, method, size, dtype, way)

                    yield title, measure


def end_to_end(
    settings: Any, method: str, size: tuple[int, int], dtype: str, way: str | None
) -> dict[str, Any]:
    """Return frames per second from image files to the run lengths of tracks or masks."""
    forget_compiled(way)
    model, read = contestant(settings, method), Frames(frame_files(settings, size))
    run = FramesOfImages(model, way) if method == MASK2FORMER else FramesOfVideo(model, way)
    reset_peak(settings.device)
    with torch.no_grad(), autocast(settings.device, DTYPES[dtype]):
        for t in range(CLIP):  # memories fill, steps are captured
            run.add(read(t), t)
        run.check()
        synchronize(settings.device)
        start = time.perf_counter()
        for t in range(CLIP, CLIP + settings.frames):
            run.add(read(t), t)
        synchronize(settings.device)
        middle = time.perf_counter()
        run.finish()
        last = (time.perf_counter() - middle) * settings.frames / (CLIP + settings.frames)
    each = (middle - start + last) / settings.frames
    return {'frames/s': 1 / each, 'ms a frame': 1e3 * each, **peak_memory(settings.device)}


def sample_of(image: np.ndarray, t: int) -> tuple[Tensor, DetDataSample]:
    """Return a frame (3, H, W) uint8 and the data sample of its sizes."""
    size = image.shape[:2]
    sizes = dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), frame_id=t, video_id=0)
    return torch.from_numpy(image).permute(2, 0, 1), DetDataSample(metainfo=sizes)


class FramesOfVideo:
    """One video of a model of ours.

    Args:
        model: on its device.
        way: see :class:`CapturedSteps`, or None.
    """

    def __init__(self, model: nn.Module, way: str | None) -> None:
        self.engine = StreamEngine(model, way)
        bounded = None if way is None else MEMORY
        self.video: VideoInProgress = self.engine.begin(memory_frames=bounded)

    def add(self, image: np.ndarray, t: int) -> None:
        """Predict the next frame (H, W, 3)."""
        pixels, frame = sample_of(image, t)
        sample = TrackDataSample()
        sample.video_data_samples = [frame]
        packed = dict(inputs=dict(img=pixels[None]), data_samples=sample)
        self.engine.advance([(*self.engine.preprocess(packed), self.video)])

    def check(self) -> None:
        """Raise ValueError where the step was to be captured and is not."""
        if self.engine.captured is not None:
            check_captured(self.engine.captured)

    def finish(self) -> None:
        """Make the tracks."""
        self.video.recorder.finish(0)


class FramesOfImages:
    """MMDetection's Mask2Former on images, down to the run lengths of its masks.

    Args:
        model: on its device.
        way: ``compile``, or None.
    """

    def __init__(self, model: nn.Module, way: str | None) -> None:
        self.model = model
        self.predict = model.predict if way is None else self.compiled(model)

    @staticmethod
    def compiled(model: nn.Module) -> Callable[..., Any]:
        """Return ``model.predict`` with compiled backbone and head."""
        features = torch.compile(model.extract_feat, dynamic=False)
        head = torch.compile(model.panoptic_head.predict, dynamic=False)

        def predict(inputs: Tensor, samples: list[DetDataSample]) -> list[DetDataSample]:
            found = model.panoptic_fusion_head.predict(
                *head(features(inputs), samples), samples, rescale=True
            )
            return model.add_pred_to_datasample(samples, found)

        return predict

    def add(self, image: np.ndarray, t: int) -> None:
        """Predict an image (H, W, 3)."""
        pixels, frame = sample_of(image, t)
        data = self.model.data_preprocessor(dict(inputs=[pixels], data_samples=[frame]))
        (result,) = self.predict(data['inputs'], data['data_samples'])
        encode_mask_results(result.pred_instances.masks.cpu().numpy())

    def check(self) -> None:
        """Nothing is captured."""

    def finish(self) -> None:
        """Nothing is left."""


def videomt(settings: Any) -> Iterator[Row]:
    """Yield rows of the network alone, as VidEoMT's benchmark.py measures it."""
    ways = (None, 'graphs', *COMPILED) if settings.device.type == 'cuda' else (None,)
    for way in ways:
        for method in METHODS[:3]:
            title = f'{method}, {way or "eager"}'
            yield title, lambda way=way, method=method: network_alone(settings, method, way)
    for name, rate in VIDEOMT.items():
        yield name, lambda rate=rate: {'frames/s': rate}


@torch.no_grad()
def network_alone(settings: Any, method: str, way: str | None) -> dict[str, Any]:
    """Return frames per second of steps with a full memory; float16, batch 1, images of noise."""
    forget_compiled(way)
    model = contestant(settings, method)
    step = model.step if way is None else CapturedSteps(model, way)
    short = settings.short_side
    long = -(-round(short * 16 / 9) // 32) * 32
    image = torch.randn(1, 3, -(-short // 32) * 32, long, device=settings.device)
    state = StreamState()
    with autocast(settings.device, torch.float16 if image.is_cuda else torch.bfloat16):

        def advance() -> None:
            nonlocal state
            _, state = step(image, state)
            state = StreamState(state.queries, state.memory[-MEMORY:])

        for _ in range(CLIP):
            advance()
        each = seconds(advance, settings.device, settings.frames)
    if way is not None:
        check_captured(step)
    size = 'x'.join(map(str, image.shape[-2:]))
    return {'frames/s': 1 / each, 'ms a frame': 1e3 * each, 'input': size}


def memory(settings: Any) -> Iterator[Row]:
    """Yield rows of the memory of videos of several lengths, of RoCoVIS first."""
    for method in METHODS[:3]:
        for length in settings.lengths if method == METHODS[0] else settings.lengths[:1]:
            title = f'{method}, {length} frames'
            yield title, lambda method=method, length=length: grow(settings, method, length)


@torch.no_grad()
def grow(settings: Any, method: str, length: int) -> dict[str, Any]:
    """Return the peak memory of a video, and whether its frames become slower."""
    read = Frames(frame_files(settings, settings.sizes[0]))
    run, times = FramesOfVideo(contestant(settings, method), None), []
    reset_peak(settings.device)
    for t in range(length):
        start = time.perf_counter()
        run.add(read(t), t)
        times.append(time.perf_counter() - start)
    run.finish()
    part = max(length // 10, 1)
    early, late = (1e3 * statistics.median(x) for x in (times[part : 2 * part], times[-part:]))
    figures = {'ms, 2nd tenth': early, 'ms, last tenth': late, **peak_memory(settings.device)}
    return {**figures, 'host, MiB': peak_bytes() / 2**20}


def forget_compiled(way: str | None) -> None:
    """Drop what was compiled for other rows: the versions of a function are bounded."""
    if way in COMPILED:
        torch._dynamo.reset()


def synchronize(device: torch.device) -> None:
    """Wait for a CUDA device."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def reset_peak(device: torch.device) -> None:
    """Count the most memory from now on."""
    if device.type == 'cuda':
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> dict[str, float]:
    """Return the most memory in use on a CUDA device, all models that it holds included."""
    if device.type != 'cuda':
        return {}
    return {'device, MiB': torch.cuda.max_memory_allocated(device) / 2**20}

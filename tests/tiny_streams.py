"""Tiny inferencers, frames, and cameras that are not there."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from mmengine.config import Config
from tiny_model import shake, sharpen, tiny_config

from rocovis_mm.apis import RoCoVISInferencer
from rocovis_mm.registry import MODELS

PIPELINE = [
    dict(type='rocovis_mm.LoadVISFrame'),
    dict(type='rocovis_mm.AlignedResize', scale=(96, 64), keep_ratio=True),
    dict(type='rocovis_mm.PackVISInputs'),
]


def tiny_run_config(**options) -> Config:
    """Return a config with a model of 5 classes and a test pipeline."""
    model = tiny_config(**options)
    model.data_preprocessor = dict(type='rocovis_mm.VISDataPreprocessor', pad_size_divisor=32)
    dataset = dict(pipeline=PIPELINE, metainfo=dict(classes=tuple('abcde')))
    return Config(
        dict(default_scope='mmdet', model=model, test_dataloader=dict(dataset=dataset)),
    )


def tiny_inferencer(seed: int = 1, exact: bool = False, **options) -> RoCoVISInferencer:
    """Return an inferencer with random weights that see things.

    Args:
        seed: of the weights.
        exact: run in double precision, where a batch rounds as its members do.
        **options: of the model.
    """
    torch.manual_seed(seed)
    config = tiny_run_config(**options)
    model = MODELS.build(config.model)
    shake(model)
    sharpen(model)
    model.cfg = config
    inferencer = RoCoVISInferencer(model)
    if exact:
        model.double()
        step = model.step
        model.step = lambda images, state: step(images.double(), state)
    return inferencer


def frames(number: int, size: tuple[int, int] = (48, 72), seed: int = 0) -> list[np.ndarray]:
    """Return BGR uint8 frames (H, W, 3) of smooth random colours that drift."""
    rng = np.random.default_rng(seed)
    start, end = rng.uniform(0, 255, (2, 6, 9, 3))
    shares = np.linspace(0, 1, max(number, 2))[:number]
    coarse = [((1 - share) * start + share * end).astype(np.uint8) for share in shares]
    return [cv2.resize(x, size[::-1], interpolation=cv2.INTER_CUBIC) for x in coarse]


class FakeCapture:
    """What cv2.VideoCapture is to a camera or file, without one."""

    def __init__(self, images, fps=30.0, count=-1.0):
        self.images = iter(images)
        self.stated = {cv2.CAP_PROP_FPS: fps, cv2.CAP_PROP_FRAME_COUNT: count}
        self.released = False

    def isOpened(self):  # noqa: N802
        return not self.released

    def get(self, key):
        return self.stated.get(key, 0.0)

    def read(self):
        image = next(self.images, None)
        return image is not None, image

    def release(self):
        self.released = True


def same_tracks(one, other, tolerance: float = 0.0) -> bool:
    """Whether two lists of tracks are equal, and there is something in them.

    Args:
        tolerance: of the scores, where another process with another number of threads
            rounds its sums otherwise; 0 asks for equality to the last bit.
    """
    assert sum(x is not None for track in one for x in track['segmentations']) > len(one[:1])
    scores = [np.array([track['score'] for track in tracks]) for tracks in (one, other)]
    rest = [[dict(track, score=0) for track in tracks] for tracks in (one, other)]
    return rest[0] == rest[1] and np.allclose(*scores, rtol=0, atol=tolerance)

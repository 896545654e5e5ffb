"""Parts of ``gpu_report.py`` that train: the cost of a step with each switch, and a curve."""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
import torch
from benchmark_training import ROWS, applies, measure
from gpu_report_equality import Row
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from rocovis_mm.datasets.embedded import EmbeddedRecipe, make_embedded_dataset
from rocovis_mm.registry import MODELS
from rocovis_mm.utils import load_config, load_run_config, use_mixed_precision

CLIPS, FRAMES, SIZE = 2, 5, (640, 360)
"""Clips of a step, frames of a clip, width and height of a frame."""
TINY = 1, 2, (96, 64)
"""The same for the tiny model."""
NEVER = 10**9
VALIDATION = 0.25
"""Share of the curve's time that is kept for the validation at its end."""


def forget_models(settings: Any) -> None:
    """Free the memory of the models of other parts."""
    settings.cache.clear()
    if settings.device.type == 'cuda':
        torch.cuda.empty_cache()


def training(settings: Any) -> Iterator[Row]:
    """Yield a row for each switch of ``benchmark_training.py`` that applies."""
    config = load_config(settings.config)
    model = MODELS.build(config.model)
    for name, row in ROWS.items():
        if applies(row, model):
            yield name, lambda name=name: one_switch(settings, name)


def one_switch(settings: Any, name: str) -> dict[str, Any]:
    """Return time and memory of a step with a switch."""
    forget_models(settings)
    clips, frames, size = CLIPS, FRAMES, SIZE
    if settings.model_size == 'tiny':
        clips, frames, size = TINY
    held = 0.0
    if settings.device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(settings.device)
        held = torch.cuda.memory_allocated(settings.device) / 1e6
    args = argparse.Namespace(
        clips=clips, frames=frames, size=size, iterations=min(settings.frames, 3)
    )
    found = measure(args, copy.deepcopy(load_config(settings.config)), ROWS[name])
    return {
        's a step': found['seconds'],
        'memory, MB': found['memory'] - held,
        'input': f'{clips} x {frames} x {size[0]}x{size[1]}',
    }


def data_of(settings: Any) -> Path:
    """Return the folder of the data: as given, or generated."""
    if settings.data is not None:
        return settings.data
    recipe = EmbeddedRecipe()
    if settings.model_size == 'tiny':
        recipe = EmbeddedRecipe(
            height=64, width=96, train_videos=2, train_frames=6, val_videos=1, val_frames=3
        )
    return make_embedded_dataset(settings.out / 'data', recipe).root


class CurveHook(Hook):
    """Notes the loss, and ends the training in time.

    Args:
        deadline: by ``time.monotonic``.
        max_points: of the curve; as many are kept evenly.
    """

    def __init__(self, deadline: float, max_points: int = 200) -> None:
        self.deadline = deadline
        self.max_points = max_points
        self.every = 1
        self.start = time.monotonic()
        self.points: list[list[float]] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Note an iteration."""
        if (runner.iter + 1) % self.every == 0:
            elapsed = round(time.monotonic() - self.start, 2)
            self.points.append([elapsed, runner.iter + 1, round(outputs['loss'].item(), 4)])
        if len(self.points) >= self.max_points:
            self.points, self.every = self.points[1::2], 2 * self.every
        if time.monotonic() > self.deadline:
            runner.train_loop.stop_training = True


def curve(settings: Any) -> Iterator[Row]:
    """Yield the one row of a training that takes the time that is left."""
    yield Path(settings.config).stem, lambda: train(settings)


def train(settings: Any) -> dict[str, Any]:
    """Train until the time is up, validate, and return the curve and the scores."""
    forget_models(settings)
    root = data_of(settings)
    content = json.loads((root / 'train.json').read_text())
    classes = tuple(entry['name'] for entry in content['categories'])
    options = dict(data_root=f'{root}/', classes=classes, num_workers=2)
    config = load_run_config(settings.config, options, str(settings.out / 'run'))
    config.train_cfg.val_interval = NEVER
    config.default_hooks.checkpoint = None
    if settings.device.type == 'cuda':
        use_mixed_precision(config, 'bfloat16')
    left = settings.left('curve')
    hook = CurveHook(time.monotonic() + left * (1 - VALIDATION))
    with DefaultScope.overwrite_default_scope('mmdet'):
        runner = Runner.from_cfg(config)
        runner.register_hook(hook)
        runner.train()
        scores = runner.val()
    figures = {'iterations': runner.iter, 'minutes': (time.monotonic() - hook.start) / 60}
    figures.update({'first loss': hook.points[0][2], 'last loss': hook.points[-1][2]})
    figures.update({k.rpartition('/')[2]: float(v) for k, v in scores.items() if 'AP' in k})
    return {**figures, 'curve': hook.points}

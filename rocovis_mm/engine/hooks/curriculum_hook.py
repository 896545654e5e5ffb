"""Stages of a training run: from small single frames to full clips."""

from __future__ import annotations

import math
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from rocovis_mm.registry import HOOKS
from rocovis_mm.structures import TrainingStage


@HOOKS.register_module()
class CurriculumHook(Hook):
    """Sets the model's training stage by the iteration.

    A model that starts from random weights must first learn to see: single frames
    at half size cost a fraction of full clips. The last part of a run can leave the clips
    as they are. The stage is a function of the iteration, so that a resumed run continues
    in it.

    Args:
        single_frames_until: iteration at which frames become clips.
        half_size_until: iteration at which inputs get their full size.
        augment_until: iteration at which the model's ``clip_augment`` ends; None: never.
    """

    priority = 'VERY_HIGH'

    def __init__(
        self,
        single_frames_until: int = 0,
        half_size_until: int = 0,
        augment_until: int | None = None,
    ) -> None:
        self.single_frames_until = single_frames_until
        self.half_size_until = half_size_until
        self.augment_until = math.inf if augment_until is None else augment_until

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Set the stage of the model, and log its changes."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        stage = TrainingStage(
            single_frames=runner.iter < self.single_frames_until,
            scale=0.5 if runner.iter < self.half_size_until else 1.0,
            augment=runner.iter < self.augment_until,
        )
        if stage != model.training_stage:
            runner.logger.info(f'iteration {runner.iter}: training stage is now {stage}')
            model.training_stage = stage

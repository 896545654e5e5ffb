"""Stages of a training run: from small single frames to full clips."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from rocovis_mm.registry import HOOKS
from rocovis_mm.structures import TrainingStage


@HOOKS.register_module()
class CurriculumHook(Hook):
    """Sets the model's training stage by the iteration.

    A model that starts from random weights must first learn to see: single frames
    at half resolution cost a fraction of full clips. After the last stage, and in
    a run without this hook, the model trains on clips as they are loaded. The
    stage is a function of the iteration, so that a resumed run goes on in it.

    Args:
        stages: dicts with ``end`` (iteration at which the stage is over), in rising
            order, and the fields of :class:`TrainingStage`.

    Raises:
        ValueError: ends that do not rise.
    """

    priority = 'VERY_HIGH'

    def __init__(self, stages: Sequence[dict]) -> None:
        self.ends = [stage['end'] for stage in stages]
        if self.ends != sorted(set(self.ends)):
            raise ValueError(f'CurriculumHook: the stages end at {self.ends}; give rising numbers')
        self.stages = [
            TrainingStage(**{key: value for key, value in stage.items() if key != 'end'})
            for stage in stages
        ]

    def stage_at(self, iteration: int) -> TrainingStage:
        """Return the stage that an iteration (from 0) belongs to."""
        for end, stage in zip(self.ends, self.stages):
            if iteration < end:
                return stage
        return TrainingStage()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Hand the stage to the model, and say when it changes."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        stage = self.stage_at(runner.iter)
        if stage != model.training_stage:
            runner.logger.info(f'iteration {runner.iter}: training stage is now {stage}')
            model.training_stage = stage

"""Training loops, hooks, mixed precision and clipping of shards."""

from rocovis_mm.engine.hooks import (
    ActivationCheckpointHook,
    AnnotationFileHook,
    ClipEventHook,
    CurriculumHook,
    IterationSeedHook,
    IterPipelineSwitchHook,
    NormEvalHook,
    ScheduleHook,
    VariablesHook,
    WholeCheckpointHook,
)
from rocovis_mm.engine.loops import IterTrainLoop
from rocovis_mm.engine.optim_wrapper import MixedPrecisionOptimWrapper
from rocovis_mm.engine.sharded_optim_wrapper import ShardedOptimWrapper

__all__ = [
    'ActivationCheckpointHook',
    'AnnotationFileHook',
    'ClipEventHook',
    'CurriculumHook',
    'IterPipelineSwitchHook',
    'IterTrainLoop',
    'IterationSeedHook',
    'MixedPrecisionOptimWrapper',
    'NormEvalHook',
    'ScheduleHook',
    'ShardedOptimWrapper',
    'VariablesHook',
    'WholeCheckpointHook',
]

"""Training loops, hooks, weight decay, mixed precision and clipping of shards."""

from rocovis_mm.compat import checked  # noqa: F401
from rocovis_mm.engine.hooks import (
    ActivationCheckpointHook,
    AnnotationFileHook,
    CheckpointFitHook,
    ClipEventHook,
    CurriculumHook,
    DivergenceHook,
    EarlyLoggerHook,
    IterationSeedHook,
    IterPipelineSwitchHook,
    NormEvalHook,
    ScheduleHook,
    VariablesHook,
    WholeCheckpointHook,
)
from rocovis_mm.engine.loops import EpochTrainLoop, IterTrainLoop
from rocovis_mm.engine.optim_constructor import DecayByKindConstructor
from rocovis_mm.engine.optim_wrapper import MixedPrecisionOptimWrapper
from rocovis_mm.engine.sharded_optim_wrapper import ExperimentalShardedOptimWrapper

__all__ = [
    'ActivationCheckpointHook',
    'AnnotationFileHook',
    'CheckpointFitHook',
    'ClipEventHook',
    'CurriculumHook',
    'DecayByKindConstructor',
    'DivergenceHook',
    'EarlyLoggerHook',
    'EpochTrainLoop',
    'IterPipelineSwitchHook',
    'IterTrainLoop',
    'IterationSeedHook',
    'MixedPrecisionOptimWrapper',
    'NormEvalHook',
    'ScheduleHook',
    'ExperimentalShardedOptimWrapper',
    'VariablesHook',
    'WholeCheckpointHook',
]

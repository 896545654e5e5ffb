"""Hooks of a training run."""

from rocovis_mm.engine.hooks.activation_checkpoint_hook import ActivationCheckpointHook
from rocovis_mm.engine.hooks.annotation_file_hook import AnnotationFileHook
from rocovis_mm.engine.hooks.checkpoint_fit_hook import CheckpointFitHook
from rocovis_mm.engine.hooks.clip_event_hook import ClipEventHook
from rocovis_mm.engine.hooks.curriculum_hook import CurriculumHook
from rocovis_mm.engine.hooks.detection_matching_hook import DetectionMatchingHook
from rocovis_mm.engine.hooks.divergence_hook import DivergenceHook
from rocovis_mm.engine.hooks.early_logger_hook import EarlyLoggerHook
from rocovis_mm.engine.hooks.iter_pipeline_switch_hook import IterPipelineSwitchHook
from rocovis_mm.engine.hooks.iteration_seed_hook import IterationSeedHook
from rocovis_mm.engine.hooks.norm_eval_hook import NormEvalHook
from rocovis_mm.engine.hooks.schedule_hook import ScheduleHook
from rocovis_mm.engine.hooks.variables_hook import VariablesHook
from rocovis_mm.engine.hooks.whole_checkpoint_hook import WholeCheckpointHook

__all__ = [
    'ActivationCheckpointHook',
    'AnnotationFileHook',
    'CheckpointFitHook',
    'ClipEventHook',
    'CurriculumHook',
    'DetectionMatchingHook',
    'DivergenceHook',
    'EarlyLoggerHook',
    'IterPipelineSwitchHook',
    'IterationSeedHook',
    'NormEvalHook',
    'ScheduleHook',
    'VariablesHook',
    'WholeCheckpointHook',
]

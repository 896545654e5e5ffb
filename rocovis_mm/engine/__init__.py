"""Training loops and hooks."""

from rocovis_mm.engine.hooks import ClipEventHook, CurriculumHook, IterationSeedHook
from rocovis_mm.engine.loops import IterTrainLoop

__all__ = ['ClipEventHook', 'CurriculumHook', 'IterTrainLoop', 'IterationSeedHook']

"""Hooks of a training run."""

from rocovis_mm.engine.hooks.clip_event_hook import ClipEventHook
from rocovis_mm.engine.hooks.curriculum_hook import CurriculumHook
from rocovis_mm.engine.hooks.iteration_seed_hook import IterationSeedHook

__all__ = ['ClipEventHook', 'CurriculumHook', 'IterationSeedHook']

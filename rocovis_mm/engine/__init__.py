"""Training loops, hooks, weight decay, mixed precision and clipping of shards."""

from rocovis_mm.compat import checked  # noqa: F401
from rocovis_mm.engine import hooks
from rocovis_mm.engine.loops import EpochTrainLoop, IterTrainLoop
from rocovis_mm.engine.optim_constructor import DecayByKindConstructor
from rocovis_mm.engine.optim_wrapper import MixedPrecisionOptimWrapper
from rocovis_mm.engine.sharded_optim_wrapper import ExperimentalShardedOptimWrapper

__all__ = [
    'DecayByKindConstructor',
    'EpochTrainLoop',
    'ExperimentalShardedOptimWrapper',
    'IterTrainLoop',
    'MixedPrecisionOptimWrapper',
    'hooks',
]

"""Clipping by norm of a model in shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.optim import OptimWrapper
from torch import nn

from rocovis_mm.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class ExperimentalShardedOptimWrapper(OptimWrapper):
    """An ``OptimWrapper`` that clips by the norm of the whole model's gradients under FSDP.

    MMEngine clips the gradients of a process by their own norm (mmengine 0.10.7,
    ``optim/optimizer/optimizer_wrapper.py:285``). Under FSDP that is a shard, and each
    process would shorten its part of the step by another factor. Other models are clipped as
    MMEngine does.

    Args:
        **kwargs: of :class:`mmengine.optim.OptimWrapper`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model: nn.Module | None = None

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Remember the model, which alone knows how its gradients are sharded."""
        self.model = model
        with super().optim_context(model):
            yield

    def _clip_grad(self) -> None:
        by_norm = self.clip_func is nn.utils.clip_grad_norm_
        if not by_norm or not hasattr(self.model, 'clip_grad_norm_'):
            super()._clip_grad()
            return
        norm = self.model.clip_grad_norm_(**self.clip_grad_kwargs)
        self.message_hub.update_scalar(f'train/{self.grad_name}', float(norm))

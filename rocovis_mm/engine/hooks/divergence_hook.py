"""Ends a training as soon as its numbers are no longer finite."""

from __future__ import annotations

import math
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.registry import HOOKS
from rocovis_mm.utils.divergence import DivergenceError, check_weights


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Look for NaN and infinity in the losses and the gradients of each iteration.

    The weights are checked before they are validated, tested, or saved by a
    ``WholeCheckpointHook``, so that every checkpoint can be resumed from. Where float16 scales
    the gradients, a step that overflows is left out, which is no divergence.

    Args:
        patience: number of such iterations in a row that ends a run in float16.
    """

    priority = 'LOW'

    def __init__(self, patience: int = 20) -> None:
        self.patience = patience
        self.overflows = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Check the losses, then the norm of the gradients where it was computed.

        Raises:
            DivergenceError: names the first loss, or the norm, that is not finite.
        """
        losses = outputs if isinstance(outputs, dict) else {}
        values = {name: torch.as_tensor(value).detach() for name, value in losses.items()}
        names = sorted(values, key=lambda name: name == 'loss')  # the sum of them last
        culprits = [f'the loss {name}' for name in names if not values[name].isfinite().all()]
        scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
        if scaler is not None and scaler.is_enabled():
            self.overflows = self.overflows + 1 if culprits else 0
            if self.overflows < self.patience:
                return
        elif not culprits and 'train/grad_norm' in runner.message_hub.log_scalars:
            norm = runner.message_hub.get_scalar('train/grad_norm').current()
            if not math.isfinite(norm):
                culprits.append('the norm of the gradients')
        if culprits:
            raise DivergenceError(culprits[0])

    def before_val_epoch(self, runner: Runner) -> None:
        """Check that the weights are finite."""
        check_weights(runner.model)

    before_test_epoch = before_val_epoch

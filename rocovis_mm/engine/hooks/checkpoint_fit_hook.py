"""Checks that the checkpoint of a run fits its model."""

from __future__ import annotations

import logging

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn

from rocovis_mm.checkpoints.fitting import (
    Fit,
    check_resume,
    check_start,
    check_use,
    in_shards,
    load_fitting,
    weights_in,
)
from rocovis_mm.registry import HOOKS


@HOOKS.register_module()
class CheckpointFitHook(Hook):
    """Refuse a checkpoint that would let a run train or test noise, and list the misfits.

    MMEngine loads the weights that fit and continues with a warning (mmengine 0.10.7,
    ``runner/checkpoint.py:105``). Here a test needs every weight of the model, a resumed run
    the same model, and a start of a training a large part of it, see
    :func:`~rocovis_mm.checkpoints.fitting.check_start`.

    The weights are loaded here, once; the checkpoint is left with those that the model then
    has, so that neither the runner nor an ``EMAHook`` lists the same differences again.

    Args:
        allow_missing: list the misfits, but continue.
    """

    priority = 'VERY_HIGH'  # before EMAHook, which takes the entry state_dict for granted

    def __init__(self, allow_missing: bool = False) -> None:
        self.allow_missing = allow_missing

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Load the weights, check their fit and log the misfits.

        Raises:
            MisfitError: they do not fit; names the file, the differences and the remedy.
        """
        path = runner._load_from or 'the checkpoint'
        weights = weights_in(checkpoint, path)
        model = bare_model(runner.model)
        fit = load_fitting(model, weights)
        if not self.allow_missing:
            self._check(runner, model, fit, path)
        if not fit.whole or fit.surplus:
            text = f'{path}: {fit.describe()}'
            if not fit.whole:
                text += '. The missing ones and those of another shape are left at random'
            print_log(text, 'current', logging.WARNING)
        if in_shards(model):
            for name in fit.reshaped:
                weights.pop(name, None)
            checkpoint['state_dict'] = weights
        else:
            checkpoint['state_dict'] = model.state_dict()

    def _check(self, runner: Runner, model: nn.Module, fit: Fit, path: str) -> None:
        """Check the fit for a resume, a start of a training, or a test."""
        if runner._resume:
            check_resume(fit, path)
        elif isinstance(runner._train_loop, BaseLoop):  # built by train() alone
            check_start(fit, path, pretrained=is_pretrained(getattr(model, 'backbone', None)))
        else:
            check_use(fit, path)


def is_pretrained(backbone: nn.Module | None) -> bool:
    """Whether a backbone gets weights from elsewhere (``init_cfg``; timm's ``pretrained``)."""
    return 'Pretrained' in str(getattr(backbone, 'init_cfg', None)) or bool(
        getattr(backbone, '_is_init', False)
    )


def bare_model(model: nn.Module) -> nn.Module:
    """Return the model inside wrappers of copies and of test-time augmentation."""
    while (is_model_wrapper(model) and not in_shards(model)) or isinstance(model, BaseTTAModel):
        model = model.module
    return model

"""Trades time for memory: parts of a model that are computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial, wraps
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from rocovis_mm.registry import HOOKS

PARTS = {
    'backbone': ('backbone.layer?', 'backbone.stages.*'),
    'pixel_decoder': ('track_head.pixel_decoder.encoder.layers.*',),
    'propagation': ('track_head.pixel_decoder.propagation.*',),
    'query_decoder': ('track_head.query_decoder.transformer_decoder.layers.*',),
    'object_decoder': (
        'track_head.object_decoder.encoder.layers.*',
        'track_head.object_decoder.decoder.layers.*',
    ),
}
"""Short names: stages of the backbone (ResNet's or Swin's), layers of the transformers."""


@HOOKS.register_module()
class ActivationCheckpointHook(Hook):
    """Keep only the inputs of the named modules for the backward pass.

    Their inner values are computed again for the gradient. Losses and gradients are the
    same. (MMEngine's own ``activation_checkpointing`` passes no keyword
    arguments on, which the layers of a transformer take: mmengine 0.10.7,
    ``runner/activation_checkpointing.py:9``.)

    Args:
        modules: names in :data:`PARTS`, or of modules of the model; ``*`` is any one
            step of a name, ``?`` any one letter (``track_head.query_decoder.*``).
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules = tuple([modules] if isinstance(modules, str) else modules)

    def before_train(self, runner: Runner) -> None:
        """Wrap the modules; after hooks that copy the model have done so.

        Raises:
            ValueError: a name fits no module.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name in self.modules:
            found = find_modules(model, name)
            if not found:
                raise ValueError(
                    f'ActivationCheckpointHook: the model has no {name!r}; give names of its '
                    f'modules or some of {", ".join(PARTS)}'
                )
            for module in found:
                recompute(module)


def find_modules(model: nn.Module, name: str) -> list[nn.Module]:
    """Return the modules of a name in the hook's arguments."""
    patterns = PARTS.get(name, (name,))
    return [
        module
        for path, module in model.named_modules()
        if any(fits(path, pattern) for pattern in patterns)
    ]


def fits(path: str, pattern: str) -> bool:
    """Whether a module's path fits a pattern, step by step."""
    steps, wanted = path.split('.'), pattern.split('.')
    return len(steps) == len(wanted) and all(
        w in ('*', s) or (w.endswith('?') and s[:-1] == w[:-1]) for s, w in zip(steps, wanted)
    )


def recompute(module: nn.Module) -> None:
    """Let a module compute its forward again in the backward pass, in place."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    options: dict[str, Any] = {}
    if norms:
        options['context_fn'] = lambda: (nullcontext(), keep_statistics(norms))
    module.forward = checkpointed(module.forward, partial(checkpoint, **options))


def checkpointed(forward: Callable, run: Callable) -> Callable:
    """Return a forward that keeps only its inputs where gradients are taken."""

    @wraps(forward)
    def kept_small(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return run(forward, *args, use_reentrant=False, **kwargs)

    return kept_small


@contextmanager
def keep_statistics(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Let batch norms keep their running statistics, which include this batch."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum

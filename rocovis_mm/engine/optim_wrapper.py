"""Mixed precision on any device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from rocovis_mm.registry import OPTIM_WRAPPERS

DTYPES = {'float16': torch.float16, 'bfloat16': torch.bfloat16}


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(OptimWrapper):
    """An ``OptimWrapper`` that runs the model under autocast, on a GPU or the CPU.

    MMEngine's ``AmpOptimWrapper`` refuses to work without a GPU (mmengine 0.10.7,
    ``optim/optimizer/amp_optimizer_wrapper.py:77``). Weights, optimizer, losses and
    matching costs stay in float32. With float16, whose range is small, gradients are
    scaled; a step whose gradients overflow is left out and the scale lowered.

    Args:
        dtype: 'float16' or 'bfloat16'; None is float16 on a GPU, bfloat16 on the CPU.
        loss_scale: with float16: 'dynamic', a first scale, or arguments of torch's
            ``GradScaler``.
        **kwargs: of :class:`mmengine.optim.OptimWrapper`.

    Raises:
        ValueError: another dtype, or one that this machine cannot compute with.
    """

    def __init__(
        self,
        dtype: str | None = None,
        loss_scale: str | float | dict[str, Any] = 'dynamic',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.device = get_device()
        dtype = dtype or ('bfloat16' if self.device == 'cpu' else 'float16')
        if dtype not in DTYPES:
            raise ValueError(f'optim_wrapper.dtype is {dtype!r}; choose one of {", ".join(DTYPES)}')
        self.dtype = DTYPES[dtype]
        if self.device == 'cuda' and dtype == 'bfloat16' and not torch.cuda.is_bf16_supported():
            raise ValueError('optim_wrapper.dtype: this GPU has no bfloat16; choose float16')
        if loss_scale == 'dynamic':
            loss_scale = {}
        elif isinstance(loss_scale, (int, float)):
            loss_scale = dict(init_scale=float(loss_scale))
        self.loss_scaler = make_scaler(self.device, dtype == 'float16', **loss_scale)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass under autocast."""
        with super().optim_context(model), torch.autocast(self.device, self.dtype):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Propagate the scaled loss."""
        super().backward(self.loss_scaler.scale(loss), **kwargs)

    def step(self, **kwargs: Any) -> None:
        """Update the parameters with the gradients scaled back."""
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state with the scaler's."""
        return {**super().state_dict(), 'loss_scaler': self.loss_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, also one that was saved without mixed precision."""
        state_dict = dict(state_dict)
        scaler = state_dict.pop('loss_scaler', None)
        if scaler:
            self.loss_scaler.load_state_dict(scaler)
        super().load_state_dict(state_dict)


def make_scaler(device: str, enabled: bool, **options: Any) -> Any:
    """Return torch's gradient scaler for a device.

    Raises:
        ValueError: torch has none for the CPU.
    """
    scaler = getattr(torch.amp, 'GradScaler', None)  # from torch 2.3 on
    if scaler is not None:
        return scaler(device, enabled=enabled, **options)
    if enabled and device == 'cpu':
        raise ValueError(
            'optim_wrapper.dtype: float16 on the CPU needs torch >= 2.3; choose bfloat16'
        )
    return torch.cuda.amp.GradScaler(enabled=enabled and device == 'cuda', **options)

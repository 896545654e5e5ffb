"""Training of a model in shards, one on each process."""

from __future__ import annotations

from typing import Any

from mmengine._strategy import FSDPStrategy
from mmengine.device import get_device
from torch.distributed.fsdp import FullyShardedDataParallel

from rocovis_mm.registry import STRATEGIES

WHOLE = dict(
    state_dict_type='FULL_STATE_DICT',
    state_dict_config=dict(type='FullStateDictConfig'),
    optim_state_dict_config=dict(type='FullOptimStateDictConfig'),
)
"""Whole checkpoints that are gathered on the device of the shards."""


@STRATEGIES.register_module()
class ExperimentalShardedStrategy(FSDPStrategy):
    """MMEngine's FSDP with whole checkpoints that can be resumed, on CPUs too.

    Without a GPU torch needs the device by name. ``'full'`` then is ``WHOLE``. Torch's own
    ``'full'`` moves the weights to the CPU and frees their former place, which is the same one
    (torch 2.13, ``distributed/fsdp/_flat_param.py:1750``).

    Args:
        model_wrapper: as MMEngine's.
        state_dict_cfg: as MMEngine's, but whole checkpoints by default.
        **kwargs: of :class:`mmengine._strategy.FSDPStrategy`.
    """

    def __init__(
        self,
        *,
        model_wrapper: dict[str, Any] | None = None,
        state_dict_cfg: str | dict[str, Any] = 'full',
        **kwargs: Any,
    ) -> None:
        if get_device() == 'cpu':
            place = dict(type='MMFullyShardedDataParallel', device_id='cpu')
            model_wrapper = {**place, **(model_wrapper or {})}
            state_dict_cfg = WHOLE if state_dict_cfg == 'full' else state_dict_cfg
        super().__init__(model_wrapper=model_wrapper, state_dict_cfg=state_dict_cfg, **kwargs)

    def load_optim_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the optimizer's state back.

        MMEngine gives torch the arguments in the order of torch 2.0, which fails from 2.1 on
        (mmengine 0.10.7, ``_strategy/fsdp.py:410``).
        """
        shard = FullyShardedDataParallel.optim_state_dict_to_load(
            model=self.model, optim=self.optim_wrapper.optimizer, optim_state_dict=state_dict
        )
        self.optim_wrapper.load_state_dict(shard)

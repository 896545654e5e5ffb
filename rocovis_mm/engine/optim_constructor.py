"""The learning rate and the weight decay of each parameter of a model."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from rocovis_mm.checkpoints.fitting import bare_name
from rocovis_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)
MAPS = (nn.Linear, nn.Bilinear, _ConvNd, nn.MultiheadAttention, nn.RNNBase)
"""Linear maps, convolutions and torch's modules with them inside."""
MULTIPLIERS = (
    'lr_mult',
    'bias_lr_mult',
    'decay_mult',
    'norm_decay_mult',
    'embedding_decay_mult',
    'bias_decay_mult',
    'dwconv_decay_mult',
    'flat_decay_mult',
)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DecayByKindConstructor(DefaultOptimWrapperConstructor):
    """MMEngine's constructor whose rules hold for parameters with a custom key too.

    With MMEngine's, a custom key takes a parameter out of all other rules (mmengine 0.10.7,
    ``optim/optimizer/default_constructor.py:228``): ``'backbone': dict(lr_mult=0.1)`` makes
    the backbone's norms decay whatever ``norm_decay_mult`` is. Here a key decides only the
    multipliers that it names. All keys that are part of a parameter's name count, a longer one
    before a shorter one, and all multipliers that apply are multiplied. A key may have any of
    them.

    ``paramwise_cfg`` has ``custom_keys`` and these multipliers, 1 where they are left out:

    - ``lr_mult``, ``decay_mult``: of learning rate and weight decay;
    - ``bias_lr_mult``, ``bias_decay_mult``: of the biases of linear maps and convolutions;
    - ``norm_decay_mult``: of all that norms learn;
    - ``embedding_decay_mult``: of embeddings and of every other parameter that is no weight
      or bias of a linear map or convolution: tables of position biases, tokens, backgrounds,
      scales, gates;
    - ``dwconv_decay_mult``: of depthwise convolutions;
    - ``flat_decay_mult``: of parameters of at most one dimension.

    Frozen parameters are left out, shared ones are taken once. Other entries of a key are set in
    the parameter's group of the optimizer.

    Args:
        optim_wrapper_cfg: as MMEngine's.
        paramwise_cfg: as above.

    Raises:
        ValueError: ``paramwise_cfg`` has another key.
    """

    def _validate_cfg(self) -> None:
        """Check the options."""
        super()._validate_cfg()
        known = ('custom_keys', 'bypass_duplicate', *MULTIPLIERS)
        unknown = sorted(set(self.paramwise_cfg) - set(known))
        if unknown:
            raise ValueError(
                f'optim_wrapper.paramwise_cfg: {type(self).__name__} does not know '
                f'{", ".join(unknown)}, but {", ".join(known)}; for another constructor set '
                "optim_wrapper.constructor, MMEngine's is 'DefaultOptimWrapperConstructor'"
            )

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Add a group for each parameter that learns, and log the number of each kind.

        Args:
            params: groups of the optimizer, extended in place.
            module: the model.
            prefix: of its name.
            is_dcn_module: not used; part of MMEngine's interface.
        """
        known: set[nn.Parameter] = set()
        counts: Counter[tuple[Any, Any]] = Counter()
        frozen = 0
        for path, part in module.named_modules(prefix=prefix):
            for name, parameter in part.named_parameters(recurse=False):
                if parameter in known:
                    continue
                known.add(parameter)
                if not parameter.requires_grad:
                    frozen += 1
                    continue
                full = bare_name(f'{path}.{name}' if path else name)
                params.append(self.group(part, name, full, parameter))
                counts[params[-1].get('lr'), params[-1].get('weight_decay')] += 1
        lines = [f'{n} with lr {lr}, weight decay {decay}' for (lr, decay), n in counts.items()]
        print_log(
            f'tensors that learn: {"; ".join(lines)}; frozen: {frozen}',
            logger='current',
        )

    def group(self, module: nn.Module, name: str, full: str, parameter: nn.Parameter) -> dict:
        """Return a parameter's group.

        Args:
            module: that it belongs to.
            name: of the parameter there.
            full: its name in the model.
            parameter: itself.
        """
        options: dict[str, Any] = {**self.paramwise_cfg}
        keys = options.pop('custom_keys', {})
        options.pop('bypass_duplicate', None)
        for key in sorted(keys, key=lambda key: (len(key), key)):
            if key in full:
                options.update(keys[key])
        lr_mult = options.pop('lr_mult', 1.0)
        decay_mult = options.pop('decay_mult', 1.0)
        kinds = kinds_of(module, name, parameter)
        for multiplier in MULTIPLIERS[1:]:
            value = options.pop(multiplier, 1.0)
            kind, _, of = multiplier.partition('_')
            if kind in kinds and of == 'lr_mult':
                lr_mult *= value
            elif kind in kinds:
                decay_mult *= value
        group = dict(options, params=[parameter])
        if self.base_lr is not None:
            group.setdefault('lr', self.base_lr * lr_mult)
        if self.base_wd is not None:
            group.setdefault('weight_decay', self.base_wd * decay_mult)
        return group


def kinds_of(module: nn.Module, name: str, parameter: nn.Parameter) -> set[str]:
    """Return of which kinds a parameter is: norm, embedding, bias, dwconv, flat.

    Args:
        module: that it belongs to.
        name: of the parameter there.
        parameter: itself; that of a model in shards (FSDP) has one dimension whatever it is.
    """
    is_bias = name.endswith('bias')
    if isinstance(module, NORMS):
        kinds = {'norm'}
    elif not in_a_map(module, name):
        kinds = {'embedding'}
    else:
        depthwise = isinstance(module, nn.Conv2d) and module.in_channels == module.groups
        kinds = {*(['bias'] if is_bias else []), *(['dwconv'] if depthwise else [])}
        if not is_bias:
            return kinds
    return {*kinds, 'flat'} if parameter.ndim <= 1 else kinds


def in_a_map(module: nn.Module, name: str) -> bool:
    """Whether a parameter is a weight or bias of a linear map or convolution, torch's or not."""
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return False
    weight = getattr(module, 'weight', None)
    own_map = name in ('weight', 'bias') and getattr(weight, 'ndim', 0) >= 2
    return isinstance(module, MAPS) or own_map

"""Finds the weights in a checkpoint of Detectron2, under today's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rocovis_mm.checkpoints.names import HEADS
from rocovis_mm.checkpoints.peers import ctvis, dvis
from rocovis_mm.checkpoints.peers.detr import PEERS
from rocovis_mm.checkpoints.restricted_pickle import PickledArray

MM_PREFIXES = ('track_head.', 'panoptic_head.', 'bbox_head.', 'data_preprocessor.')
AVERAGES = ('model_ema', 'ema_model', 'ema_state', 'ema')
"""Where training codes keep averaged weights beside ``model``."""


def weights_of(checkpoint: Mapping[str, Any], entry: str = 'model') -> dict[str, Tensor]:
    """Return the weights of a Detectron2 checkpoint.

    Args:
        checkpoint: as it was read: ``model`` beside optimizer, iteration, ...; or the
            weights alone.
        entry: which entry holds the weights; training codes keep averages beside ``model``.

    Raises:
        ValueError: there are none, or the checkpoint is MMEngine's.
    """
    if entry in checkpoint:
        weights = checkpoint[entry]
    elif 'state_dict' in checkpoint:
        raise ValueError(
            'this is a checkpoint of MMEngine (it has the entry state_dict): load it as it is; '
            'the way back to Detectron2 is --reverse'
        )
    elif entry == 'model' and checkpoint and all(map(is_tensor, checkpoint.values())):
        weights = checkpoint
    else:
        raise ValueError(
            f'no entry {entry!r} with the weights of a model; there are: '
            f'{shorten(map(str, checkpoint))}'
        )
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(f'the entry {entry!r} holds no weights but {type(weights).__name__}')
    tensors = {}
    for name, value in weights.items():
        if not isinstance(name, str) or not is_tensor(value):
            raise ValueError(f'{name!r} in {entry!r} is a {type(value).__name__}, not a tensor')
        tensors[name] = value.tensor() if isinstance(value, PickledArray) else value
    return tensors


def is_tensor(value: object) -> bool:
    """Whether a value of a checkpoint is an array of numbers."""
    return isinstance(value, (Tensor, PickledArray))


def use_todays_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of older versions and of wrappers.

    ``static_query`` became ``query_feat`` (Mask2Former, ``mask2former_transformer_decoder.py``,
    ``_load_from_state_dict``), the pixel decoder got a place of its own
    (``meta_arch/mask_former_head.py``, the same), and data-parallel training writes ``module.``.

    Raises:
        ValueError: a tensor has its old and its new name.
    """
    if all(name.startswith('module.') for name in weights):
        weights = {name[len('module.') :]: tensor for name, tensor in weights.items()}
    renamed = {}
    for name, tensor in weights.items():
        name = re.sub(r'\bstatic_query\b', 'query_feat', name)
        name = re.sub(
            r'^sem_seg_head\.(?!predictor\.|pixel_decoder\.)', 'sem_seg_head.pixel_decoder.', name
        )
        if name in renamed:
            raise ValueError(f'{name} is there twice, under its old and its new name')
        renamed[name] = tensor
    return renamed


def model_kind(weights: Mapping[str, Tensor], wanted: str = 'auto') -> str:
    """Return which model the weights are of.

    MinVIS and Mask2Former-VIS have the tensors of Mask2Former, name for name. So `wanted`
    decides between them, and 'auto' takes them for Mask2Former.

    Args:
        weights: under today's names.
        wanted: 'auto' or one of ``HEADS``.

    Raises:
        ValueError: the weights are of another model than the wanted one, or of none
            that is known here.
    """
    if any(name.startswith(MM_PREFIXES) for name in weights):
        raise ValueError(
            "the names are OpenMMLab's (track_head., panoptic_head., ...): load it as it is; "
            'the way back to Detectron2 is --reverse'
        )
    if not any(name.startswith('sem_seg_head.') for name in weights):
        raise ValueError(
            f'no sem_seg_head.* and no controller.*: none of {", ".join([*HEADS, *PEERS])} (a '
            f'backbone alone?). Give the checkpoint of a whole model. The names are: '
            f'{shorten(weights)}'
        )
    if any(name.startswith(ctvis.THEIRS) for name in weights):
        if wanted not in ('auto', 'ctvis'):
            raise ValueError(
                f'predictor.reid_embed.* is there: this is a CTVIS, not --model {wanted}; '
                'give --model auto'
            )
        return 'ctvis'
    if dvis.is_dvis(weights, wanted):
        return 'dvis'
    if not any(name.startswith('vita_module.') for name in weights):
        if wanted == 'genvis':
            raise ValueError(
                'no vita_module.*: this is no GenVIS but a Mask2Former or MinVIS; give '
                '--model mask2former or --model minvis'
            )
        return 'mask2former' if wanted == 'auto' else wanted
    if wanted not in ('auto', 'genvis'):
        raise ValueError(
            f'vita_module.* is there: this is a GenVIS, not --model {wanted}; give --model auto'
        )
    if wanted == 'auto' and not any(name.startswith('vita_module.pre_') for name in weights):
        raise ValueError(
            'vita_module.* without the memory of GenVIS: this is VITA, which is not among the '
            "models here. As the start of a GenVIS' training it can serve: give --model genvis"
        )
    return 'genvis'


def shorten(names: Any, most: int = 12) -> str:
    """Return a list of names as text, the many left out counted."""
    names = list(names)
    more = f', ... ({len(names)} in all)' if len(names) > most else ''
    return ', '.join(names[:most]) + more

"""Detectron2's checkpoints of the models in ``KINDS`` as MMEngine's, and back."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rocovis_mm.checkpoints.any_sizes import read_sizes
from rocovis_mm.checkpoints.contents import (
    AVERAGES,
    model_kind,
    shorten,
    use_todays_names,
    weights_of,
)
from rocovis_mm.checkpoints.key_maps import Rule, rename
from rocovis_mm.checkpoints.names import (
    HEADS,
    LEFT_OUT,
    LEFT_OUT_BACK,
    OBJECT_DECODER_PREFIX,
    index_of_table,
    memory_names,
    rules_of,
)
from rocovis_mm.checkpoints.peers import ctvis, detr, dvis
from rocovis_mm.checkpoints.peers.seqformer import UNREAD
from rocovis_mm.version import __version__

NOTES = 'detectron2'
"""Key of ``meta`` with the origin of a converted checkpoint."""
VERSIONS = ('sem_seg_head', 'sem_seg_head.predictor')
"""Modules of Mask2Former that rename their weights unless told that these are of version 2."""


def to_mm(checkpoint: Mapping[str, Any], model: str = 'auto', entry: str = 'model') -> dict:
    """Convert a Detectron2 checkpoint.

    Args:
        checkpoint: as :func:`read_checkpoint` gives it.
        model: 'auto' or one of ``KINDS``.
        entry: which entry holds the weights.

    Returns:
        ``state_dict`` under the names of MMDetection's Mask2Former or of our models,
        and ``meta`` whose entry 'detectron2' has the ``model``, its ``sizes``, the ``source``
        tensors ``left_out`` (name -> reason; their values under ``kept``), the tensors ``made``
        anew, those that ``begin_anew`` (a VITA as the start of a GenVIS lacks them), and the
        ``averages`` beside the weights.

    Raises:
        ValueError: no model that is known here; or tensors are unknown or missing.
    """
    weights = use_todays_names(weights_of(checkpoint, entry))
    kind = detr.detr_kind(weights, model) or model_kind(weights, model)
    kept, twice = detr.leave_out_repeated(weights)
    renamed = rename(kept, all_rules(kind, kept))
    left_out = leave_out(renamed.unknown, (*LEFT_OUT, UNREAD), f'a {kind} of Detectron2')
    check_complete(renamed.missing, kind)
    state_dict = OrderedDict(renamed.weights)
    made = make_buffers(state_dict)
    notes = {
        'model': kind,
        'sizes': read_sizes(state_dict, kind).plain(),
        'left_out': {**left_out, **twice},
        'kept': {name: weights[name] for name in left_out},
        'made': made,
        'begin_anew': [n for n in memory_names() if kind == 'genvis' and n not in state_dict],
        'averages': [name for name in AVERAGES if name in checkpoint and name != entry],
    }
    return {'state_dict': state_dict, 'meta': {NOTES: notes, 'rocovis_mm_version': __version__}}


def to_detectron2(checkpoint: Mapping[str, Any], model: str = 'auto') -> dict:
    """Convert a checkpoint of MMDetection's Mask2Former or of our model of one of the ``KINDS``.

    This is the exact inverse of :func:`to_mm`. Tensors that it left out are taken from
    ``meta``, and those that it made anew are removed. The names have their present form, and
    the modules' versions say so.

    Args:
        checkpoint: as :func:`read_checkpoint` gives it.
        model: 'auto', or the model that it has to be.

    Raises:
        ValueError: no model that Detectron2 has; or tensors are unknown or missing.
    """
    weights = checkpoint.get('state_dict')
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(
            'no entry state_dict with weights: not a checkpoint of MMEngine; without --reverse '
            'the tool converts from Detectron2'
        )
    notes = (checkpoint.get('meta') or {}).get(NOTES) or {}
    noted = notes.get('model', model) if model == 'auto' else model
    kind = detr.detr_kind(weights, noted) or our_kind(weights, model)
    made = notes['made'] if notes else unused_counters(weights)
    kept = {name: tensor for name, tensor in weights.items() if name not in set(made)}
    renamed = rename(kept, all_rules(kind, kept), back=True)
    leave_out(renamed.unknown, LEFT_OUT_BACK, f'a {kind} that Detectron2 has')
    check_complete(renamed.missing, kind)
    model_weights = OrderedDict(detr.repeat(renamed.weights))
    model_weights.update(notes.get('kept', {}))
    versions = {'': {'version': 1}, **{name: {'version': 2} for name in VERSIONS}}
    model_weights._metadata = OrderedDict(versions)
    return {'model': model_weights, '__author__': f'rocovis_mm {__version__}'}


def all_rules(kind: str, names: Mapping[str, Tensor]) -> list[Rule]:
    """Return the rules of any model; arguments as :func:`rules_of`."""
    return detr.PEERS[kind].rules(names) if kind in detr.PEERS else rules_of(kind, names)


def our_kind(weights: Mapping[str, Tensor], wanted: str) -> str:
    """Return which model weights under our names are of.

    Raises:
        ValueError: of none that Detectron2 has, or not of the wanted one.
    """
    if any('.propagation.' in name for name in weights):
        raise ValueError(
            'this is a RoCoVIS with instance mask propagation (pixel_decoder.propagation.*), '
            'which no Detectron2 code has'
        )
    if any(name.startswith(OBJECT_DECODER_PREFIX) for name in weights):
        kind = 'genvis'
    elif any(name.startswith(ctvis.OURS) for name in weights):
        kind = 'ctvis'
    elif any(name.startswith(dvis.OURS) for name in weights):
        kind = 'dvis'
    elif any(name.startswith(HEADS['minvis'][1]) for name in weights):
        kind = 'minvis'
    elif any(name.startswith(HEADS['mask2former'][1]) for name in weights):
        kind = 'mask2former'
    elif any(name.startswith('track_head.transformer_decoder.') for name in weights):
        kind = 'mask2former_vis'
    else:
        raise ValueError(
            f'neither panoptic_head.* nor track_head.query_decoder.* nor '
            f'track_head.transformer_decoder.*: {shorten(weights)}'
        )
    if wanted not in ('auto', kind):
        raise ValueError(f'this is a {kind}, not --model {wanted}')
    return kind


def leave_out(
    names: Sequence[str], reasons: Sequence[tuple[str, str]], model: str
) -> dict[str, str]:
    """Return the reason for which each name is left out.

    Raises:
        ValueError: there is none; lists all such names.
    """
    left_out, unknown = {}, []
    for name in names:
        reason = next((why for which, why in reasons if re.fullmatch(which, name)), None)
        if reason is None:
            unknown.append(name)
        else:
            left_out[name] = reason
    if unknown:
        raise ValueError(
            f'{len(unknown)} tensors have no place in {model}, so the model is another one: '
            f'{", ".join(unknown)}'
        )
    return left_out


def check_complete(missing: Sequence[str], kind: str) -> None:
    """Check that nothing is missing.

    Raises:
        ValueError: lists the missing tensors.
    """
    if missing:
        raise ValueError(
            f'{len(missing)} tensors of a {kind} are missing, so the checkpoint is not whole: '
            f'{", ".join(missing)}'
        )


def make_buffers(state_dict: dict[str, Tensor]) -> list[str]:
    """Add the buffers of MMDetection's backbones that the source has not, and name them."""
    made = {}
    for name, tensor in state_dict.items():
        if name.endswith('.running_var'):
            counter = name[: -len('running_var')] + 'num_batches_tracked'
            made[counter] = torch.zeros((), dtype=torch.long)
        elif name.endswith('.relative_position_bias_table'):
            index = name[: -len('bias_table')] + 'index'
            made[index] = index_of_table(tensor)
    made = {name: tensor for name, tensor in made.items() if name not in state_dict}
    state_dict.update(made)
    return list(made)


def unused_counters(weights: Mapping[str, Tensor]) -> list[str]:
    """Return the counters of norms that were never trained: Detectron2's frozen ones have none."""
    return [
        name
        for name, tensor in weights.items()
        if name.endswith('.num_batches_tracked') and not tensor.any()
    ]

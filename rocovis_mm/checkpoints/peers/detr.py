"""The peers that are built on VNext's Deformable DETR: how they are told apart and renamed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rocovis_mm.checkpoints.key_maps import Rule
from rocovis_mm.checkpoints.peers.deformable_detr import repeated
from rocovis_mm.checkpoints.peers.idol import idol_rules
from rocovis_mm.checkpoints.peers.seqformer import (
    original_rules,
    seqformer_rules,
    unread,
    vmt_rules,
)


@dataclass(frozen=True)
class DetrPeer:
    """A model on top of Deformable DETR.

    Attributes:
        theirs: expression that a published model's name matches, and no other model's.
        ours: the same of a name here.
        rules: returns the rules of the renaming, of the names of all weights.
    """

    theirs: str
    ours: str
    rules: Callable[[Iterable[str]], list[Rule]]


PEERS = {
    'idol': DetrPeer(
        r'detr\.reid_embed_head\.layers\.0\.weight',
        r'track_head\.reid_embed\.layers\.0\.weight',
        idol_rules,
    ),
    'vmt': DetrPeer(
        r'controller_refine\.layers\.0\.weight',
        r'track_head\.fine_controller\.layers\.0\.weight',
        vmt_rules,
    ),
    'seqformer': DetrPeer(
        r'detr\.detr\.transformer\.decoder\.layers\.0\.time_attention_weights\.weight',
        r'track_head\.decoder\.layers\.0\.time_weight\.weight',
        seqformer_rules,
    ),
    'seqformer_original': DetrPeer(
        r'detr\.transformer\.decoder\.layers\.0\.time_attention_weights\.weight',
        r'track_head\.decoder\.layers\.0\.time_weight\.weight',
        original_rules,
    ),
}
"""Kind of model -> how it is known; an entry before another one takes precedence."""
CONTROLLER = re.compile(r'((detr|track_head)\.)?controller\.layers\.0\.weight')
"""Name that all of these models have, and no other one."""


def detr_kind(weights: Iterable[str], wanted: str = 'auto') -> str | None:
    """Return which of these models weights are of, theirs or ours; None: of none.

    Args:
        weights: their names.
        wanted: the model that it has to be, or 'auto'.

    Raises:
        ValueError: it is of another one than the wanted one.
    """
    names = list(weights)
    if not any(map(CONTROLLER.fullmatch, names)):
        if wanted in PEERS:
            raise ValueError(
                f'no controller.* of dynamic masks: this is no {wanted}; give --model auto, or the '
                'checkpoint of the whole model'
            )
        return None
    for kind, peer in PEERS.items():
        marks = re.compile(f'{peer.theirs}|{peer.ours}')
        if any(map(marks.fullmatch, names)):
            if wanted in PEERS and PEERS[wanted].ours == peer.ours:  # one model, two codes
                marks = re.compile(f'{PEERS[wanted].theirs}|{peer.ours}')
                kind = wanted if any(map(marks.fullmatch, names)) else kind
            if wanted not in ('auto', kind):
                raise ValueError(
                    f'this is a {kind}, not --model {wanted}; give --model {kind} or --model auto'
                )
            return kind
    raise ValueError(
        f'controller.* of dynamic masks is there, but nothing that {" or ".join(PEERS)} has: give '
        'a checkpoint of one of these models'
    )


def leave_out_repeated(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return weights without the tensors that repeat others, and the reason of each of those.

    Raises:
        ValueError: a tensor should repeat another one, but differs.
    """
    reasons = {}
    for name, tensor in weights.items():
        original = weights.get(repeated(name) or '')
        if original is None:
            continue
        if tensor.shape != original.shape or not (tensor.is_meta or torch.equal(tensor, original)):
            raise ValueError(
                f'{name} is not the same as {repeated(name)}, which it should repeat: the file is '
                'damaged or its model was changed; give the checkpoint as published'
            )
        reasons[name] = f'the same tensor as {repeated(name)}'
    return {name: x for name, x in weights.items() if name not in reasons}, reasons


def repeat(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return published weights with the tensors that repeat others, or are never read."""
    again = {
        name.replace('bbox_embed.', 'transformer.decoder.bbox_embed.'): tensor
        for name, tensor in weights.items()
        if re.fullmatch(r'(detr\.)+bbox_embed\..*', name)
    }
    return {**unread(weights), **weights, **again}

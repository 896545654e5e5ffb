"""The sizes of any model that can be converted, read off its weights, and its config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rocovis_mm.checkpoints import sizes as mask2former
from rocovis_mm.checkpoints.names import HEADS
from rocovis_mm.checkpoints.peers.detr import PEERS
from rocovis_mm.checkpoints.peers.detr_sizes import (
    DetrSizes,
    fitting_detr_config,
    read_detr_sizes,
)
from rocovis_mm.checkpoints.sizes import ModelSizes

KINDS = (*HEADS, *PEERS)
"""Models whose checkpoints are converted."""
Sizes = ModelSizes | DetrSizes


def read_sizes(weights: Mapping[str, Tensor], kind: str) -> Sizes:
    """Read the sizes off weights under our names.

    Args:
        weights: all of the model.
        kind: of the model.
    """
    return read_detr_sizes(weights) if kind in PEERS else mask2former.read_sizes(weights, kind)


def sizes_from(plain: Mapping[str, Any], kind: str) -> Sizes:
    """Return the sizes of a plain dictionary of theirs."""
    return (DetrSizes if kind in PEERS else ModelSizes)(**plain)


def fitting_config(sizes: Sizes, kind: str) -> dict[str, Any]:
    """Return the part of a model's config that the sizes decide.

    Args:
        sizes: of the model.
        kind: of the model.
    """
    if kind in PEERS:
        return fitting_detr_config(sizes)
    return mask2former.fitting_config(sizes, kind)

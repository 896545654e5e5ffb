"""The names of CTVIS' embedding layers, which it has beside a Mask2Former.

``ctvis/modeling/transformer_decoder/cl_mask2former_transformer_decoder.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

EMBEDDING = """
embedding:
    layers.{i}                  layers.{i}
"""
THEIRS = 'sem_seg_head.predictor.reid_embed.'
OURS = 'track_head.reid_embed.'
"""Prefixes of the embedding."""


def embedding_sizes(weights: Mapping[str, Tensor]) -> dict[str, int | None]:
    """Read the sizes of the embedding off weights under our names."""
    layers = sum(name.startswith(OURS) and name.endswith('.weight') for name in weights)
    first = weights.get(f'{OURS}layers.0.weight')
    return dict(reid_layers=layers, reid_channels=len(first) if layers > 1 else None)

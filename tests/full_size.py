"""Full-size models of configs, without memory for their weights."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from torch import nn

from rocovis_mm.models.vis import feature_maps
from rocovis_mm.registry import MODELS

KNOWN_MAPS: dict[str, feature_maps.FeatureMaps] = {}
"""The maps of each backbone so far, by the text of its modules: many models have the same."""


def build_without_memory(model: ConfigDict) -> nn.Module:
    """Return the model of a config on torch's `meta` device."""
    look_at, linspace = feature_maps.look_at, torch.linspace

    def look_once(*arguments: object) -> feature_maps.FeatureMaps:
        key = repr(arguments)
        if key not in KNOWN_MAPS:
            KNOWN_MAPS[key] = look_at(*arguments)
        return KNOWN_MAPS[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_maps, 'look_at', look_once)
        # Swin's constructor reads the numbers
        patch.setattr(torch, 'linspace', functools.partial(linspace, device='cpu'))
        with DefaultScope.overwrite_default_scope('mmdet'), torch.device('meta'):
            return MODELS.build(copy.deepcopy(model))

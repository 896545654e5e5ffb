"""The channels and strides of a backbone's maps, measured on one small image.

C_i channels and s_i stride of map i, h x w its size, H x W that of the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from rocovis_mm.registry import MODELS

STRIDES = (4, 8, 16, 32)
"""Of the maps that the heads here read, unless a config has others."""

IMAGE = (64, 192)
"""H, W of the image that is shown to a backbone: multiples of every usual stride, and not of one
side alone, so that maps in another order or of another patch size are told apart."""


@dataclass(frozen=True)
class FeatureMaps:
    """The channels and strides of a backbone's maps.

    Attributes:
        channels: C_i, from high to low resolution.
        strides: s_i.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]


class CannotTry(ValueError):
    """A backbone or neck does not take the image that is shown to it."""


def build_neck(neck: dict, backbone: nn.Module) -> nn.Module:
    """Build a neck; one that takes ``in_channels`` and is not told them is given the backbone's.

    Args:
        neck: config of any MMDetection neck, or of ours.
        backbone: whose maps it reads.
    """
    kind = neck['type']
    if isinstance(kind, str):
        with MODELS.switch_scope_and_registry(None) as registry:  # the run's own scope
            kind = registry.get(kind)
    if kind and neck.get('in_channels') is None and 'in_channels' in signature(kind).parameters:
        neck = neck.copy()
        neck.update(in_channels=[x.shape[1] for x in show_image(backbone)])
    return MODELS.build(neck)


def fit_head(head: dict, backbone: nn.Module, neck: nn.Module | None) -> dict:
    """Return a head's config with ``in_channels`` and ``strides`` of the maps it will read.

    The config may have either, which then is compared with the maps.

    Args:
        head: config of the head.
        backbone: built.
        neck: built, or None.

    Raises:
        ValueError: there are no such maps, or the config says otherwise; the message says
            which maps there are, and the remedy.
    """
    channels, strides = head.get('in_channels'), head.get('strides')
    try:
        found = look_at(backbone, neck, strides or STRIDES)
    except CannotTry as error:
        if channels is None or strides is None:
            raise
        print_log(f'track_head.in_channels and strides are not checked: {error}', 'current')
        found = FeatureMaps(tuple(channels), tuple(strides))
    if channels is not None and tuple(channels) != found.channels:
        raise ValueError(
            f'track_head.in_channels is {list(channels)}, but {names(backbone, neck)} gives '
            f'{list(found.channels)} channels: leave the key out, it is read off the maps'
        )
    fitted = head.copy()
    fitted.update(in_channels=list(found.channels), strides=list(found.strides))
    return fitted


def look_at(
    backbone: nn.Module, neck: nn.Module | None = None, wanted: Sequence[int] = STRIDES
) -> FeatureMaps:
    """Return channels and strides of the maps of a backbone, and of a neck on top of it.

    Args:
        backbone: built; stays as it is, random numbers and norms' statistics included.
        neck: built, or None.
        wanted: strides that the maps must have.

    Raises:
        ValueError: the maps have other strides, or are no maps (B, C, h, w).
        CannotTry: the modules do not take the image.
    """
    maps = show_image(backbone, neck)
    shapes = [tuple(x.shape) for x in maps]
    strides = [stride_of(shape) for shape in shapes]
    if None in strides:
        raise ValueError(
            f'{names(backbone, neck)} gives {shapes[strides.index(None)]} for an image of '
            f'{IMAGE[0]} x {IMAGE[1]}, not (1, C, {IMAGE[0]} / s, {IMAGE[1]} / s) with a whole '
            "stride s. For a ViT of mmpretrain set out_type='featmap', for maps with channels "
            "last (timm's Swin) take one that has them first, and for patches of 14 pixels give "
            "neck=dict(type='rocovis_mm.SimpleFeaturePyramid', patch_size=14)"
        )
    if tuple(strides) != tuple(wanted):
        raise ValueError(
            f'{names(backbone, neck)} gives maps of strides {strides}, but the head reads '
            f'{list(wanted)}: choose the maps by out_indices of the backbone; let a plain ViT, '
            'whose maps have one stride, be followed by '
            "neck=dict(type='rocovis_mm.SimpleFeaturePyramid')"
        )
    return FeatureMaps(tuple(shape[1] for shape in shapes), tuple(strides))


def show_image(backbone: nn.Module, neck: nn.Module | None = None) -> tuple[Tensor, ...]:
    """Return the maps of a black image (1, 3, H, W), without a change of the modules.

    Raises:
        CannotTry: the modules do not take the image.
        ValueError: they return other values than tensors.
    """
    modules = [backbone] if neck is None else [backbone, neck]
    like = next((x for x in backbone.parameters() if x.is_floating_point()), torch.zeros(0))
    image = torch.zeros(1, 3, *IMAGE, dtype=like.dtype, device=like.device)
    maps: Any = image
    with in_test_mode(modules), torch.no_grad(), torch.random.fork_rng(devices=[]):
        for module in modules:
            try:
                maps = module(maps)
            except Exception as error:
                remedy = (
                    "let it take images of any size (timm's ViTs: dynamic_img_size=True), or "
                    'state track_head.in_channels and strides'
                    if module is backbone
                    else "leave out the neck's in_channels, they are read off the backbone"
                )
                raise CannotTry(
                    f'{type(module).__name__} fails on an image of {IMAGE[0]} x {IMAGE[1]}, by '
                    f'which the channels are found ({type(error).__name__}: {error}): {remedy}'
                ) from error
    maps = [maps] if isinstance(maps, Tensor) else list(maps)
    if not all(isinstance(x, Tensor) for x in maps):
        raise ValueError(
            f'{names(backbone, neck)} gives {[type(x).__name__ for x in maps]}, not maps '
            '(1, C, h, w) alone; a backbone of mmpretrain must be told which maps to give by '
            "out_indices and out_type='featmap'"
        )
    return tuple(maps)


def stride_of(shape: Sequence[int]) -> int | None:
    """Return the stride of a map (1, C, h, w) of the image, None where it has no whole one."""
    if len(shape) != 4 or IMAGE[0] % shape[2] or IMAGE[1] * shape[2] != IMAGE[0] * shape[3]:
        return None
    return IMAGE[0] // shape[2]


def names(backbone: nn.Module, neck: nn.Module | None) -> str:
    """Return the names of the modules for a message."""
    kinds = [type(module).__name__ for module in (backbone, neck) if module is not None]
    return f'the backbone {" with the neck ".join(kinds)}'


@contextmanager
def in_test_mode(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Let modules run as in testing, and be as they were afterwards.

    Flags are set one by one: ``train()`` of MMDetection's backbones does more than that.
    """
    parts = [(part, part.training) for module in modules for part in module.modules()]
    for part, _ in parts:
        part.training = False
    try:
        yield
    finally:
        for part, training in parts:
            part.training = training

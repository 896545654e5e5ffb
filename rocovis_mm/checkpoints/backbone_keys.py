"""Names of the backbones' weights: ResNet and Swin.

Detectron2's ResNet (``detectron2/modeling/backbone/resnet.py``) counts stages from ``res2``,
MMDetection's from ``layer1``. The Swin of Mask2Former (``mask2former/modeling/backbone/swin.py``)
joins the four pixels that it merges pixel by pixel, column by column (line 307), MMDetection's
joins them channel by channel with ``nn.Unfold`` (mmdet 3.3.0,
``models/layers/transformer/utils.py:424``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rocovis_mm.checkpoints.key_maps import AFFINE, Rule, module_rules

STATISTICS = (*AFFINE, 'running_mean', 'running_var')


def convolution_rules(theirs: str, ours: str, norm: str, group: str, optional: bool) -> list[Rule]:
    """Return the rules of a convolution with its norm inside (theirs) or beside it (ours)."""
    return [
        Rule(f'{theirs}.weight', f'{ours}.weight', group, optional),
        *module_rules(f'{theirs}.norm', norm, group, STATISTICS, optional),
        Rule(
            f'{theirs}.norm.num_batches_tracked',
            f'{norm}.num_batches_tracked',
            f'{group} count',
            True,
        ),
    ]


def resnet_rules() -> list[Rule]:
    """Return the rules of a ResNet, of basic blocks or bottlenecks."""
    rules = convolution_rules('stem.conv1', 'conv1', 'bn1', 'stem', False)
    for stage in (1, 2, 3, 4):
        theirs, ours = f'res{stage + 1}.{{i}}', f'layer{stage}.{{i}}'
        for number in (1, 2, 3):
            rules += convolution_rules(
                f'{theirs}.conv{number}',
                f'{ours}.conv{number}',
                f'{ours}.bn{number}',
                f'stage {stage} conv{number}',
                optional=number == 3,  # basic blocks have two
            )
        rules += convolution_rules(
            f'{theirs}.shortcut',
            f'{ours}.downsample.0',
            f'{ours}.downsample.1',
            f'stage {stage} shortcut',
            optional=True,
        )
    return rules


def swin_rules() -> list[Rule]:
    """Return the rules of a Swin transformer."""
    theirs, ours = 'layers.{i}.blocks.{j}', 'stages.{i}.blocks.{j}'
    attention = f'{ours}.attn.w_msa'
    table, index = 'relative_position_bias_table', 'relative_position_index'
    return [
        *module_rules('patch_embed.proj', 'patch_embed.projection', 'patches'),
        *module_rules('patch_embed.norm', 'patch_embed.norm', 'patches'),
        *module_rules(f'{theirs}.norm1', f'{ours}.norm1', 'blocks'),
        *module_rules(f'{theirs}.norm2', f'{ours}.norm2', 'blocks'),
        Rule(f'{theirs}.attn.{table}', f'{attention}.{table}', 'blocks'),
        Rule(f'{theirs}.attn.qkv.weight', f'{attention}.qkv.weight', 'blocks'),
        Rule(f'{theirs}.attn.qkv.bias', f'{attention}.qkv.bias', 'qkv bias', True),
        *module_rules(f'{theirs}.attn.proj', f'{attention}.proj', 'blocks'),
        *module_rules(f'{theirs}.mlp.fc1', f'{ours}.ffn.layers.0.0', 'blocks'),
        *module_rules(f'{theirs}.mlp.fc2', f'{ours}.ffn.layers.1', 'blocks'),
        Rule(f'{theirs}.attn.{index}', f'{attention}.{index}', 'index', True, usual_index),
        *module_rules(
            'layers.{i}.downsample.norm',
            'stages.{i}.downsample.norm',
            'downsample',
            to_ours=join_by_channel,
            to_theirs=join_by_pixel,
        ),
        Rule(
            'layers.{i}.downsample.reduction.weight',
            'stages.{i}.downsample.reduction.weight',
            'downsample',
            to_ours=join_by_channel,
            to_theirs=join_by_pixel,
        ),
        *module_rules('norm{i}', 'norm{i}', 'output norms'),
    ]


def join_by_channel(weight: Tensor) -> Tensor:
    """Reorder the last dimension: (column, row, channel) to (channel, row, column)."""
    shape = (*weight.shape[:-1], 2, 2, weight.shape[-1] // 4)
    return weight.reshape(shape).transpose(-1, -3).reshape(weight.shape).contiguous()


def join_by_pixel(weight: Tensor) -> Tensor:
    """Reorder the last dimension: (channel, row, column) to (column, row, channel)."""
    shape = (*weight.shape[:-1], weight.shape[-1] // 4, 2, 2)
    return weight.reshape(shape).transpose(-1, -3).reshape(weight.shape).contiguous()


def relative_position_index(window: int) -> Tensor:
    """Return which entry of the bias table each pair of a window's pixels reads, (w*w, w*w)."""
    row, column = (x.flatten() for x in torch.meshgrid(*2 * [torch.arange(window)], indexing='ij'))
    rows = row[:, None] - row[None, :] + window - 1
    columns = column[:, None] - column[None, :] + window - 1
    return rows * (2 * window - 1) + columns


def usual_index(index: Tensor) -> Tensor:
    """Check that the entries are the usual ones, which MMDetection's Swin reads.

    Raises:
        ValueError: they are not.
    """
    window = math.isqrt(index.shape[-1]) if index.ndim else 0
    usual = relative_position_index(window)
    if index.shape != usual.shape or not torch.equal(index.long(), usual):
        raise ValueError(
            'relative_position_index is not the one of Swin with square windows; '
            "MMDetection's Swin cannot take this backbone"
        )
    return index


def index_of_table(table: Tensor) -> Tensor:
    """Return the index that goes with a bias table ((2w - 1)^2, heads)."""
    return relative_position_index((math.isqrt(len(table)) + 1) // 2)

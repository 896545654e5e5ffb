"""The names of SeqFormer's and VMT's weights in the published codes, and here.

VNext (github wjf5203/VNext, projects/SeqFormer) is built on Detectron2. The first release (github
wjf5203/SeqFormer), whose weights are published, and VMT (github SysCV/vmt) have torchvision's
ResNet, whose names are MMDetection's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from rocovis_mm.checkpoints.key_maps import Rule, inside
from rocovis_mm.checkpoints.names import read_table, resnet_rules, swin_rules
from rocovis_mm.checkpoints.peers.deformable_detr import (
    ENCODER,
    MASK_FEATURES,
    QUERIES,
    mlp_rules,
)

HEAD = 'track_head.'
DECODER = f"""
{QUERIES}
decoder: transformer.decoder.layers.{{i}}. layers.{{i}}.
    cross_attn.sampling_offsets cross_attn.sampling_offsets
    cross_attn.attention_weights cross_attn.attention_weights
    cross_attn.value_proj       cross_attn.value_proj
    cross_attn.output_proj      out_proj
    cross_attn.output_proj_box  box_out_proj
    self_attn                   self_attn.attn                          attention
    self_attn_box               box_self_attn.attn                      attention
    norm1                       norms.1
    norm2                       norms.0
    norm3                       norms.2
    norm1_box                   box_norms.1
    norm2_box                   box_norms.0
    norm3_box                   box_norms.2
    linear1                     ffn.layers.0.0
    linear2                     ffn.layers.1
    linear1_box                 box_ffn.layers.0.0
    linear2_box                 box_ffn.layers.1
    time_attention_weights      time_weight
"""
"""The published decoder attends to queries first, but counts the norm after it as the second."""
REFINEMENT = """
middle stage:
    lay_hr1                     refinement.from_fused
    lay1_h                      refinement.reduce
    lay2_h                      refinement.project
fine stage:
    lay_hr1_c                   refinement.to_fine
    conv_norm_relus_fuse_img.0  refinement.image.0
    conv_norm_relus_fuse_img.2  refinement.image.2
    conv_norm_relus_fuse_img.4  refinement.image.4
tokens: encoder.layers.{i}. refinement.layers.{i}.
    self_attn                   self_attn                               attention
    linear1                     ffn.layers.0.0
    linear2                     ffn.layers.1
    norm1                       norms.0
    norm2                       norms.1
"""
"""Of VMT alone."""
BRANCH = """
branch {n}:
    conv_norm_relus_fuse_all_{n}.0 refinement.branches.{b}.0
    conv_norm_relus_fuse_all_{n}.2 refinement.branches.{b}.2
    conv_norm_relus_fuse_all_{n}.4 refinement.branches.{b}.4
"""
UNREAD = (
    r'(detr\.)+transformer\.encoder\.layers\.\d+\.self_attn\.output_proj_box\.(weight|bias)',
    'the published encoder has it, but never reads it',
)
"""Published tensors that have no place here: pattern of the name, reason."""
TIME = re.compile(r'(detr\.)+transformer\.decoder\.layers\.0\.time_attention_weights\.weight')
"""Name that these models alone have."""


def unread(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return zeros for the tensors of these models that are never read; none of other models.

    Args:
        weights: under the published names.
    """
    if not any(map(TIME.fullmatch, weights)):
        return {}
    pattern = re.compile(UNREAD[0].replace('_box', ''))
    return {
        name.replace('output_proj', 'output_proj_box'): torch.zeros_like(tensor)
        for name, tensor in weights.items()
        if pattern.fullmatch(name)
    }


def seqformer_rules(names: Iterable[str]) -> list[Rule]:
    """Return the rules of SeqFormer in VNext.

    Args:
        names: of the weights, theirs or ours, which tell the backbone.
    """
    swin = any('patch_embed.' in name for name in names)
    backbone = swin_rules() if swin else resnet_rules()
    return [
        *inside(backbone, 'detr.detr.backbone.0.backbone.', 'backbone.'),
        *transformer_rules('detr.detr.'),
        *mask_rules('detr.'),
    ]


def original_rules(names: Iterable[str]) -> list[Rule]:
    """Return the rules of SeqFormer's first release; `names` as :func:`seqformer_rules`."""
    backbone = [replace(rule, theirs=rule.ours) for rule in resnet_rules()]
    return [
        *inside(backbone, 'detr.backbone.0.body.', 'backbone.'),
        *transformer_rules('detr.'),
        *mask_rules(''),
    ]


def vmt_rules(names: Iterable[str]) -> list[Rule]:
    """Return the rules of VMT; `names` as :func:`seqformer_rules`."""
    tables = [REFINEMENT, *(BRANCH.format(n=b + 1, b=b) for b in range(4))]
    refinement = [rule for table in tables for rule in read_table(table, 'refinement')]
    controllers = [
        *mlp_rules('controller_inc', 'middle_controller', 'refinement'),
        *mlp_rules('controller_refine', 'fine_controller', 'refinement'),
    ]
    return [*original_rules(names), *inside([*refinement, *controllers], '', HEAD)]


def transformer_rules(prefix: str) -> list[Rule]:
    """Return the rules of encoder and decoder, whose published names have a prefix."""
    return [
        *inside(read_table(ENCODER, 'encoder'), prefix, f'{HEAD}encoder.'),
        *inside(read_table(DECODER, 'decoder'), prefix, f'{HEAD}decoder.'),
    ]


def mask_rules(prefix: str) -> list[Rule]:
    """Return the rules of the parts that make masks. Their published names have a prefix."""
    features = inside(read_table(MASK_FEATURES, 'masks'), 'mask_head.', 'mask_features.')
    return inside([*mlp_rules('controller', 'controller', 'masks'), *features], prefix, HEAD)

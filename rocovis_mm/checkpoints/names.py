"""The names of weights in Detectron2's code bases and here, one table for each part of a model.

A table has groups of modules. A heading names a group, with a ``?`` if a model may be without it,
and may give the prefixes of both names. A line below it has Detectron2's name, ours, and the
tensors where these are not a weight and a bias.

Detectron2's ResNet (``detectron2/modeling/backbone/resnet.py``) counts stages from ``res2``,
MMDetection's from ``layer1``. The Swin of Mask2Former (``mask2former/modeling/backbone/swin.py``)
joins the four pixels that it merges pixel by pixel, column by column (line 307), MMDetection's
joins them channel by channel with ``nn.Unfold`` (mmdet 3.3.0,
``models/layers/transformer/utils.py:424``). The decoders are those of
``mask2former/modeling/pixel_decoder/msdeformattn.py``, of
``mask2former/modeling/transformer_decoder/mask2former_transformer_decoder.py``, of
``vita/modeling/transformer_decoder/vita.py`` and of ``genvis/modeling/genvis.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from rocovis_mm.checkpoints.key_maps import Change, Rule, inside
from rocovis_mm.checkpoints.peers import ctvis, dvis

TENSORS = {
    '': ('.weight', '.bias'),
    'weight': ('.weight',),
    'bias': ('.bias',),
    'itself': ('',),
    'attention': ('.in_proj_weight', '.in_proj_bias', '.out_proj.weight', '.out_proj.bias'),
    'norm': ('.weight', '.bias', '.running_mean', '.running_var'),
}
"""Last column of a table -> ends of the names of tensors."""
SWIN = """
patches:
    patch_embed.proj            patch_embed.projection
    patch_embed.norm            patch_embed.norm
blocks: layers.{i}.blocks.{j}. stages.{i}.blocks.{j}.
    norm1                       norm1
    norm2                       norm2
    attn.relative_position_bias_table attn.w_msa.relative_position_bias_table itself
    attn.qkv                    attn.w_msa.qkv                          weight
    attn.proj                   attn.w_msa.proj
    mlp.fc1                     ffn.layers.0.0
    mlp.fc2                     ffn.layers.1
qkv bias?: layers.{i}.blocks.{j}. stages.{i}.blocks.{j}.
    attn.qkv                    attn.w_msa.qkv                          bias
index?: layers.{i}.blocks.{j}. stages.{i}.blocks.{j}.
    attn.relative_position_index attn.w_msa.relative_position_index     itself
downsample: layers.{i}.downsample. stages.{i}.downsample.
    norm                        norm
    reduction                   reduction                               weight
output norms:
    norm{i}                     norm{i}
"""
PIXEL_DECODER = """
input:
    input_proj.{i}.0            input_convs.{i}.conv
    input_proj.{i}.1            input_convs.{i}.gn
levels:
    transformer.level_embed     level_encoding.weight                   itself
mask features:
    mask_features               mask_feature
encoder: transformer.encoder.layers.{i}. encoder.layers.{i}.
    self_attn.sampling_offsets  self_attn.sampling_offsets
    self_attn.attention_weights self_attn.attention_weights
    self_attn.value_proj        self_attn.value_proj
    self_attn.output_proj       self_attn.output_proj
    norm1                       norms.0
    linear1                     ffn.layers.0.0
    linear2                     ffn.layers.1
    norm2                       norms.1
"""
FINER_LEVEL = """
level:
    adapter_{theirs}            lateral_convs.{ours}.conv               weight
bias?:
    adapter_{theirs}            lateral_convs.{ours}.conv               bias
norm?:
    adapter_{theirs}.norm       lateral_convs.{ours}.gn
output:
    layer_{theirs}              output_convs.{ours}.conv                weight
output bias?:
    layer_{theirs}              output_convs.{ours}.conv                bias
output norm?:
    layer_{theirs}.norm         output_convs.{ours}.gn
"""
DECODER_LAYERS = """
layers:
    transformer_cross_attention_layers.{i}.multihead_attn cross_attn.attn attention
    transformer_cross_attention_layers.{i}.norm norms.0
    transformer_self_attention_layers.{i}.self_attn self_attn.attn      attention
    transformer_self_attention_layers.{i}.norm norms.1
    transformer_ffn_layers.{i}.linear1 ffn.layers.0.0
    transformer_ffn_layers.{i}.linear2 ffn.layers.1
    transformer_ffn_layers.{i}.norm norms.2
"""
QUERIES = """
heads:
    query_feat                  query_feat                              weight
    query_embed                 query_embed                             weight
    class_embed                 cls_embed
    mask_embed.layers.0         mask_embed.0
    mask_embed.layers.1         mask_embed.2
    mask_embed.layers.2         mask_embed.4
"""
QUERY_DECODER = f"""
{QUERIES}
    level_embed                 level_embed                             weight
decoder norm:
    decoder_norm                transformer_decoder.post_norm
decoder input?:
    input_proj.{{i}}            decoder_input_projs.{{i}}
"""
OBJECT_DECODER = f"""
{QUERIES}
    fq_pos                      frame_query_pos                         weight
    input_proj_dec              frame_query_proj
    vita_mask_features          mask_feature
    sim_embed_frame             frame_sim_embed
    sim_embed_clip              object_sim_embed
decoder norm:
    decoder_norm                decoder.post_norm
encoder?:
    enc_self_attn.{{i}}.self_attn encoder.layers.{{i}}.self_attn.attn   attention
    enc_self_attn.{{i}}.norm    encoder.layers.{{i}}.norms.0
    enc_ffn.{{i}}.linear1       encoder.layers.{{i}}.ffn.layers.0.0
    enc_ffn.{{i}}.linear2       encoder.layers.{{i}}.ffn.layers.1
    enc_ffn.{{i}}.norm          encoder.layers.{{i}}.norms.1
"""
MEMORY = """
memory?:
    pre_memory_embed_k          memory_key
    pre_memory_embed_v          memory_value
    pre_query_embed_k           query_key
    pre_query_embed_v           query_value
"""
"""Of GenVIS alone. VITA, from which its training starts, has no memory."""

HEADS = {
    'mask2former': ('panoptic_head.pixel_decoder.', 'panoptic_head.'),
    'mask2former_vis': ('track_head.pixel_decoder.', 'track_head.'),
    'minvis': ('track_head.pixel_decoder.', 'track_head.query_decoder.'),
    'genvis': ('track_head.pixel_decoder.', 'track_head.query_decoder.'),
    'ctvis': ('track_head.pixel_decoder.', 'track_head.query_decoder.'),
    'dvis': ('track_head.pixel_decoder.', 'track_head.query_decoder.'),
}
"""Model -> prefixes of its pixel decoder and its query decoder."""
OBJECT_DECODER_PREFIX = 'track_head.object_decoder.'
LEFT_OUT = (
    (r'pixel_mean|pixel_std', "the config's data_preprocessor holds mean and std"),
    (
        r'(vita_|genvis_)?criterion\.empty_weight',
        "the weight of 'no object' in the loss, which the config holds",
    ),
    (r'backbone\..*\.attn_mask', 'worked out anew for each image size'),
)
"""Detectron2's tensors that have no place here: pattern of the name, reason."""
LEFT_OUT_BACK = (
    (r'data_preprocessor\.(mean|std)', 'INPUT of the Detectron2 config holds mean and std'),
)
"""Ours that have no place in Detectron2."""


def read_table(
    table: str,
    part: str = '',
    changes: dict[str, tuple[Change | None, Change | None]] | None = None,
) -> list[Rule]:
    """Return the rules of a table.

    Args:
        table: as above.
        part: of the model; groups of one name in two parts are two groups.
        changes: group -> changes of its tensors' layout, from Detectron2's to ours and back.
    """
    rules: list[Rule] = []
    for line in filter(str.strip, table.splitlines()):
        if not line.startswith(' '):
            group, _, prefixes = line.partition(':')
            their_prefix, our_prefix = prefixes.split() or ('', '')
            optional, group = group.endswith('?'), group.rstrip('?')
            change = (changes or {}).get(group, (None, None))
            continue
        theirs, ours, *kind = line.split()
        rules += [
            Rule(
                f'{their_prefix}{theirs}{end}',
                f'{our_prefix}{ours}{end}',
                f'{part} {group}',
                optional,
                *change,
            )
            for end in TENSORS[''.join(kind)]
        ]
    return rules


def rules_of(kind: str, names: Iterable[str]) -> list[Rule]:
    """Return the rules of a model.

    Args:
        kind: one of ``HEADS``.
        names: of its weights, Detectron2's or ours. They tell the backbone and the number
            of levels of finer resolution than the encoder's.
    """
    names = set(names)
    pixels, queries = HEADS[kind]
    swin = any(name.startswith('backbone.patch_embed.') for name in names)
    theirs = 'sem_seg_head.pixel_decoder.adapter_{}.weight'
    finer = sum(theirs.format(level) in names for level in range(1, 9))
    finer += sum(f'{pixels}lateral_convs.{level}.conv.weight' in names for level in range(8))
    layers = read_table(DECODER_LAYERS, 'query decoder')
    rules = [
        *inside(swin_rules() if swin else resnet_rules(), 'backbone.', 'backbone.'),
        *inside(pixel_decoder_rules(max(finer, 1)), 'sem_seg_head.pixel_decoder.', pixels),
        *inside(layers, 'sem_seg_head.predictor.', f'{queries}transformer_decoder.layers.{{i}}.'),
        *inside(read_table(QUERY_DECODER, 'query decoder'), 'sem_seg_head.predictor.', queries),
    ]
    if kind == 'genvis':
        layers = read_table(DECODER_LAYERS, 'object decoder')
        others = read_table(OBJECT_DECODER + MEMORY, 'object decoder')
        rules += inside(layers, 'vita_module.', OBJECT_DECODER_PREFIX + 'decoder.layers.{i}.')
        rules += inside(others, 'vita_module.', OBJECT_DECODER_PREFIX)
    if kind == 'ctvis' and any(name.startswith((ctvis.THEIRS, ctvis.OURS)) for name in names):
        rules += inside(read_table(ctvis.EMBEDDING, 'embedding'), ctvis.THEIRS, ctvis.OURS)
    if kind == 'dvis':
        layers = read_table(DECODER_LAYERS, 'tracker')
        rules += inside(layers, dvis.THEIRS, dvis.OURS + 'decoder.layers.{i}.')
        rules += inside(read_table(dvis.TRACKER, 'tracker'), dvis.THEIRS, dvis.OURS)
    return rules


def memory_names() -> list[str]:
    """Return the names of the tensors of GenVIS' memory."""
    return [OBJECT_DECODER_PREFIX + rule.ours for rule in read_table(MEMORY)]


def pixel_decoder_rules(finer: int) -> list[Rule]:
    """Return the rules of the deformable pixel decoder.

    Args:
        finer: levels of finer resolution than the encoder's. Detectron2 numbers them from
            fine to coarse, MMDetection the other way.
    """
    rules = read_table(PIXEL_DECODER, 'pixel decoder')
    for level in range(finer):
        table = FINER_LEVEL.format(theirs=finer - level, ours=level)
        rules += read_table(table, f'finer level {level}')
    return rules


def resnet_rules() -> list[Rule]:
    """Return the rules of a ResNet, of basic blocks or bottlenecks."""
    rules = convolution_rules('stem.conv1', 'conv1', 'bn1', 'stem')
    for stage in (1, 2, 3, 4):
        theirs, ours = f'res{stage + 1}.{{i}}', f'layer{stage}.{{i}}'
        modules = {f'conv{n}': (f'conv{n}', f'bn{n}') for n in (1, 2, 3)}
        modules['shortcut'] = ('downsample.0', 'downsample.1')
        for name, (convolution, norm) in modules.items():
            optional = '?' if name in ('conv3', 'shortcut') else ''  # basic blocks have no conv3
            rules += convolution_rules(
                f'{theirs}.{name}',
                f'{ours}.{convolution}',
                f'{ours}.{norm}',
                f'stage {stage} {name}{optional}',
            )
    return rules


def convolution_rules(theirs: str, ours: str, norm: str, group: str) -> list[Rule]:
    """Return the rules of a convolution with its norm inside (theirs) or beside it (ours)."""
    counter = 'num_batches_tracked'
    return read_table(
        f'{group}:\n {theirs} {ours} weight\n {theirs}.norm {norm} norm\n'
        f'{group.rstrip("?")} count?:\n {theirs}.norm.{counter} {norm}.{counter} itself\n'
    )


def swin_rules() -> list[Rule]:
    """Return the rules of a Swin transformer."""
    return read_table(
        SWIN,
        changes={'downsample': (join_by_channel, join_by_pixel), 'index': (usual_index, None)},
    )


def join_by_channel(weight: Tensor) -> Tensor:
    """Reorder the last dimension: (column, row, channel) to (channel, row, column)."""
    return weight.unflatten(-1, (2, 2, -1)).transpose(-1, -3).flatten(-3)


def join_by_pixel(weight: Tensor) -> Tensor:
    """Reorder the last dimension: (channel, row, column) to (column, row, channel)."""
    return weight.unflatten(-1, (-1, 2, 2)).transpose(-1, -3).flatten(-3)


def relative_position_index(window: int) -> Tensor:
    """Return which entry of the bias table each pair of a window's pixels reads, (w*w, w*w)."""
    places = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    rows, columns = (places[:, None] - places + window - 1).unbind(-1)
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

"""The names of weights in VNext's Deformable DETR with dynamic masks, and here.

IDOL, SeqFormer and VMT are built on it (github wjf5203/VNext, ``projects/IDOL/idol/models``).
"""

from __future__ import annotations

from rocovis_mm.checkpoints.key_maps import Rule
from rocovis_mm.checkpoints.names import read_table

SAMPLING = """
    {theirs}.sampling_offsets   {ours}.sampling_offsets
    {theirs}.attention_weights  {ours}.attention_weights
    {theirs}.value_proj         {ours}.value_proj
    {theirs}.output_proj        {ours}.output_proj
"""
"""Deformable attention."""
ENCODER = f"""
input:
    input_proj.{{i}}.0          input_proj.{{i}}.conv
    input_proj.{{i}}.1          input_proj.{{i}}.gn
levels:
    transformer.level_embed     level_embed                             itself
encoder: transformer.encoder.layers.{{i}}. encoder.layers.{{i}}.
{SAMPLING.format(theirs='self_attn', ours='self_attn')}
    norm1                       norms.0
    linear1                     ffn.layers.0.0
    linear2                     ffn.layers.1
    norm2                       norms.1
"""
QUERIES = """
queries:
    query_embed                 query_embed                             weight
    transformer.reference_points reference_points
predictions:
    class_embed.{i}           class_embed.{i}
boxes:
    bbox_embed.{i}.layers.{j} bbox_embed.{i}.layers.{j}
"""
"""Learned queries, and the layers of classes and boxes."""
DECODER = f"""
{QUERIES}
decoder: transformer.decoder.layers.{{i}}. decoder.layers.{{i}}.
{SAMPLING.format(theirs='cross_attn', ours='cross_attn')}
    norm1                       norms.1
    self_attn                   self_attn.attn                          attention
    norm2                       norms.0
    linear1                     ffn.layers.0.0
    linear2                     ffn.layers.1
    norm3                       norms.2
"""
"""The published decoder attends to queries first, but counts the norm after it as the second."""
MASK_FEATURES = """
mask features:
    lay3                        low
    lay4                        middle
    dcn                         high
    lay1                        reduce
    lay2                        project
"""


def mlp_rules(theirs: str, ours: str, part: str) -> list[Rule]:
    """Return the rules of layers in a row."""
    return read_table(f'{theirs}:\n {theirs}.layers.{{i}} {ours}.layers.{{i}}\n', part)


def repeated(name: str) -> str | None:
    """Return the name of the tensor that another one repeats, None where it repeats none.

    The box layers are in the published state dict twice, as the decoder reads them too.
    """
    twice = 'transformer.decoder.bbox_embed.'
    return name.replace(twice, 'bbox_embed.') if twice in name else None

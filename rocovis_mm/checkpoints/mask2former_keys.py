"""Names of the weights of Mask2Former's pixel decoder and query decoder.

Theirs: ``mask2former/modeling/pixel_decoder/msdeformattn.py`` and
``transformer_decoder/mask2former_transformer_decoder.py``; ours are those of MMDetection's
``MSDeformAttnPixelDecoder`` and ``Mask2FormerHead``.
"""

from __future__ import annotations

from rocovis_mm.checkpoints.key_maps import Rule, module_rules

ATTENTION = ('in_proj_weight', 'in_proj_bias', 'out_proj.weight', 'out_proj.bias')


def pixel_decoder_rules(fpn_levels: int) -> list[Rule]:
    """Return the rules of the deformable pixel decoder.

    Args:
        fpn_levels: levels of finer resolution than the encoder's; Detectron2 numbers them
            from fine to coarse, MMDetection the other way.
    """
    theirs, ours = 'transformer.encoder.layers.{i}', 'encoder.layers.{i}'
    rules = [
        *module_rules('input_proj.{i}.0', 'input_convs.{i}.conv', 'input'),
        *module_rules('input_proj.{i}.1', 'input_convs.{i}.gn', 'input'),
        Rule('transformer.level_embed', 'level_encoding.weight', 'levels'),
        *module_rules('mask_features', 'mask_feature', 'mask features'),
    ]
    for part in ('sampling_offsets', 'attention_weights', 'value_proj', 'output_proj'):
        rules += module_rules(f'{theirs}.self_attn.{part}', f'{ours}.self_attn.{part}', 'encoder')
    for their_part, our_part in (
        ('norm1', 'norms.0'),
        ('linear1', 'ffn.layers.0.0'),
        ('linear2', 'ffn.layers.1'),
        ('norm2', 'norms.1'),
    ):
        rules += module_rules(f'{theirs}.{their_part}', f'{ours}.{our_part}', 'encoder')
    for level in range(fpn_levels):
        for their_part, our_part in (('adapter', 'lateral_convs'), ('layer', 'output_convs')):
            their_name, our_name = f'{their_part}_{fpn_levels - level}', f'{our_part}.{level}'
            group = f'{our_part} {level}'
            rules += [
                Rule(f'{their_name}.weight', f'{our_name}.conv.weight', group),
                Rule(f'{their_name}.bias', f'{our_name}.conv.bias', f'{group} bias', True),
                *module_rules(
                    f'{their_name}.norm', f'{our_name}.gn', f'{group} norm', optional=True
                ),
            ]
    return rules


def query_decoder_rules() -> list[Rule]:
    """Return the rules of the masked-attention decoder and its heads."""
    return [
        *decoder_layer_rules('transformer_decoder.layers.{i}', 'decoder'),
        *module_rules('decoder_norm', 'transformer_decoder.post_norm', 'decoder norm'),
        *module_rules('input_proj.{i}', 'decoder_input_projs.{i}', 'decoder input', optional=True),
        *query_rules('heads'),
        Rule('level_embed.weight', 'level_embed.weight', 'heads'),
    ]


def decoder_layer_rules(ours: str, group: str) -> list[Rule]:
    """Return the rules of decoder layers: attention to pixels, among queries, feed-forward.

    Args:
        ours: template of a layer's name here.
        group: of the rules.
    """
    cross, among = 'transformer_cross_attention_layers.{i}', 'transformer_self_attention_layers.{i}'
    feed = 'transformer_ffn_layers.{i}'
    return [
        *module_rules(f'{cross}.multihead_attn', f'{ours}.cross_attn.attn', group, ATTENTION),
        *module_rules(f'{cross}.norm', f'{ours}.norms.0', group),
        *module_rules(f'{among}.self_attn', f'{ours}.self_attn.attn', group, ATTENTION),
        *module_rules(f'{among}.norm', f'{ours}.norms.1', group),
        *module_rules(f'{feed}.linear1', f'{ours}.ffn.layers.0.0', group),
        *module_rules(f'{feed}.linear2', f'{ours}.ffn.layers.1', group),
        *module_rules(f'{feed}.norm', f'{ours}.norms.2', group),
    ]


def query_rules(group: str) -> list[Rule]:
    """Return the rules of learned queries and of the heads that read them."""
    rules = [
        Rule('query_feat.weight', 'query_feat.weight', group),
        Rule('query_embed.weight', 'query_embed.weight', group),
        *module_rules('class_embed', 'cls_embed', group),
    ]
    for layer in (0, 1, 2):  # a ReLU stands between two of them
        rules += module_rules(f'mask_embed.layers.{layer}', f'mask_embed.{2 * layer}', group)
    return rules

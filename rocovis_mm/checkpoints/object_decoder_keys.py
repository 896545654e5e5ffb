"""Names of the weights of GenVIS' object decoder.

Theirs: ``vita/modeling/transformer_decoder/vita.py`` and ``genvis/modeling/genvis.py``; ours:
:class:`rocovis_mm.models.layers.object_decoder.ObjectDecoder`.
"""

from __future__ import annotations

from rocovis_mm.checkpoints.key_maps import Rule, module_rules
from rocovis_mm.checkpoints.mask2former_keys import (
    ATTENTION,
    decoder_layer_rules,
    query_rules,
)

LINEAR = {
    'input_proj_dec': 'frame_query_proj',
    'vita_mask_features': 'mask_feature',
    'sim_embed_frame': 'frame_sim_embed',
    'sim_embed_clip': 'object_sim_embed',
}
MEMORY = {
    'pre_memory_embed_k': 'memory_key',
    'pre_memory_embed_v': 'memory_value',
    'pre_query_embed_k': 'query_key',
    'pre_query_embed_v': 'query_value',
}


def object_decoder_rules() -> list[Rule]:
    """Return the rules of VITA's object encoder and decoder and of GenVIS' memory."""
    layer, group = 'encoder.layers.{i}', 'object encoder'
    rules = [
        *module_rules(
            'enc_self_attn.{i}.self_attn', f'{layer}.self_attn.attn', group, ATTENTION, True
        ),
        *module_rules('enc_self_attn.{i}.norm', f'{layer}.norms.0', group, optional=True),
        *module_rules('enc_ffn.{i}.linear1', f'{layer}.ffn.layers.0.0', group, optional=True),
        *module_rules('enc_ffn.{i}.linear2', f'{layer}.ffn.layers.1', group, optional=True),
        *module_rules('enc_ffn.{i}.norm', f'{layer}.norms.1', group, optional=True),
        *decoder_layer_rules('decoder.layers.{i}', 'object decoder'),
        *module_rules('decoder_norm', 'decoder.post_norm', 'object decoder norm'),
        *query_rules('object heads'),
        Rule('fq_pos.weight', 'frame_query_pos.weight', 'object heads'),
    ]
    for theirs, ours in LINEAR.items():
        rules += module_rules(theirs, ours, 'object heads')
    for theirs, ours in MEMORY.items():  # GenVIS' own; VITA, which it starts from, has none
        rules += module_rules(theirs, ours, 'memory', optional=True)
    return rules

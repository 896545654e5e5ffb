"""Where the parts of each model stand, in Detectron2 and here."""

from __future__ import annotations

from collections.abc import Iterable

from rocovis_mm.checkpoints.backbone_keys import resnet_rules, swin_rules
from rocovis_mm.checkpoints.key_maps import Rule, inside
from rocovis_mm.checkpoints.mask2former_keys import pixel_decoder_rules, query_decoder_rules
from rocovis_mm.checkpoints.object_decoder_keys import object_decoder_rules

HEADS = {
    'mask2former': ('panoptic_head.pixel_decoder.', 'panoptic_head.'),
    'mask2former_vis': ('track_head.pixel_decoder.', 'track_head.'),
    'minvis': ('track_head.pixel_decoder.', 'track_head.query_decoder.'),
    'genvis': ('track_head.pixel_decoder.', 'track_head.query_decoder.'),
}
"""Model -> where its pixel decoder and its query decoder stand."""
OBJECT_DECODER = 'track_head.object_decoder.'

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


def rules_of(kind: str, names: Iterable[str]) -> list[Rule]:
    """Return the rules of a model.

    Args:
        kind: one of ``HEADS``.
        names: of its weights, Detectron2's or ours: they tell the backbone and the number
            of finer levels.
    """
    names = set(names)
    pixels, queries = HEADS[kind]
    swin = any(name.startswith('backbone.patch_embed.') for name in names)
    theirs = 'sem_seg_head.pixel_decoder.adapter_{}.weight'
    finer = sum(theirs.format(level) in names for level in range(1, 9))
    finer += sum(f'{pixels}lateral_convs.{level}.conv.weight' in names for level in range(8))
    rules = [
        *inside(swin_rules() if swin else resnet_rules(), 'backbone.', 'backbone.'),
        *inside(pixel_decoder_rules(max(finer, 1)), 'sem_seg_head.pixel_decoder.', pixels),
        *inside(query_decoder_rules(), 'sem_seg_head.predictor.', queries),
    ]
    if kind == 'genvis':
        rules += inside(object_decoder_rules(), 'vita_module.', OBJECT_DECODER)
    return rules

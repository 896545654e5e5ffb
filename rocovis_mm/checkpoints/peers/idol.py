"""The names of IDOL's weights in the published code (VNext, ``projects/IDOL/idol``), and here."""

from __future__ import annotations

from collections.abc import Iterable

from rocovis_mm.checkpoints.key_maps import Rule, inside
from rocovis_mm.checkpoints.names import read_table, resnet_rules, swin_rules
from rocovis_mm.checkpoints.peers.deformable_detr import (
    DECODER,
    ENCODER,
    MASK_FEATURES,
    mlp_rules,
)

HEAD = 'track_head.'


def idol_rules(names: Iterable[str]) -> list[Rule]:
    """Return the rules of IDOL.

    Args:
        names: of the weights, theirs or ours, which tell the backbone.
    """
    swin = any('patch_embed.' in name for name in names)
    backbone = swin_rules() if swin else resnet_rules()
    return [
        *inside(backbone, 'detr.detr.backbone.0.backbone.', 'backbone.'),
        *inside(read_table(ENCODER, 'encoder'), 'detr.detr.', f'{HEAD}encoder.'),
        *inside(read_table(DECODER, 'decoder'), 'detr.detr.', f'{HEAD}decoder.'),
        *inside(read_table(MASK_FEATURES), 'detr.mask_head.', f'{HEAD}mask_features.'),
        *inside(mlp_rules('controller', 'controller', 'masks'), 'detr.', HEAD),
        *inside(mlp_rules('reid_embed_head', 'reid_embed', 'identity'), 'detr.', HEAD),
    ]

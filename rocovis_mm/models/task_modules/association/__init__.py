"""Linking of independent frames' queries to tracks; CTVIS and IDOL share the parts."""

from rocovis_mm.models.task_modules.association.bank import (
    MEMORIES,
    drop_dead,
    similarity_guided,
    temporally_weighted,
    update_bank,
)
from rocovis_mm.models.task_modules.association.bank_associator import BankAssociator
from rocovis_mm.models.task_modules.association.idol_associator import IDOLAssociator
from rocovis_mm.models.task_modules.association.mask_nms import mask_ious, mask_nms
from rocovis_mm.models.task_modules.association.matching import bi_softmax, cosine, greedy_match

__all__ = [
    'MEMORIES',
    'BankAssociator',
    'IDOLAssociator',
    'bi_softmax',
    'cosine',
    'drop_dead',
    'greedy_match',
    'mask_ious',
    'mask_nms',
    'similarity_guided',
    'temporally_weighted',
    'update_bank',
]

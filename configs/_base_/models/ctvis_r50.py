# CTVIS (Ying et al. 2023): Mask2Former on each frame, embeddings linked through a memory.
_base_ = ['./mask2former_r50.py', './bank.py']

model = dict(
    type='rocovis_mm.CTVIS',
    track_head=dict(
        type='rocovis_mm.CTVISHead',
        reid_layers=3,
        reid_channels=256,
        reid_loss=dict(
            type='rocovis_mm.MemoryContrastiveLoss',
            weight=2.0,
            aux_weight=3.0,
            memory_prob=0.5,  # that the memory, not the last embedding, is an item's positive
        ),
    ),
    associator=_base_.bank,
    track_rule=dict(reduce='mean_logits', mask_scoring=True, scoring_size='frame'),
)

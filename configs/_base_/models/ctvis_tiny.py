# CTVIS (Ying et al. 2023): Mask2Former on each frame, embeddings linked through a memory.
_base_ = ['./mask2former_tiny.py', './bank.py']

model = dict(
    type='rocovis_mm.CTVIS',
    track_head=dict(
        type='rocovis_mm.CTVISHead',
        reid_layers=3,
        reid_channels=_base_.width,
        reid_loss=dict(type='rocovis_mm.MemoryContrastiveLoss'),
    ),
    associator=_base_.bank,
    track_rule=dict(reduce='mean_logits', mask_scoring=True, scoring_size='frame'),
)

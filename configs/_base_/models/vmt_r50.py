# VMT (Ke et al. 2022), offline: SeqFormer with masks refined to stride 2. Sizes and inference are
# those of SysCV/vmt. Its class outputs are YouTube-VIS category ids: 0 and 41 are never used.
_base_ = './seqformer_original_r50.py'

point_limit = 12000  # places of a frame that are refined
wrap_boxes = True  # as published; False mends boxes that begin outside the frame

model = dict(
    type='rocovis_mm.VMT',
    backbone=dict(out_indices=(0, 1, 2, 3)),
    track_head=dict(
        type='rocovis_mm.VMTHead',
        strides=[4, 8, 16, 32],
        refinement=dict(
            point_limit=point_limit,
            num_layers=3,
            num_heads=4,
            feedforward_channels=2048,
            dropout=0.1,
        ),
        wrap_boxes=wrap_boxes,
    ),
)

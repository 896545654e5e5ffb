# Deformable DETR with dynamic masks, ResNet-50, for IDOL and SeqFormer. The settings are those of
# VNext (projects/IDOL/configs/ytvis19_r50.yaml, projects/SeqFormer/configs/base_ytvis.yaml).
num_queries = 300

transformer = dict(
    num_levels=4,
    num_layers=6,
    num_heads=8,
    num_points=4,
    feedforward_channels=1024,
    dropout=0.1,
)

model = dict(
    data_preprocessor=dict(
        type='rocovis_mm.VISDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    ),
    backbone=dict(
        type='mmdet.ResNet',
        depth=50,
        num_stages=4,
        out_indices=(1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
    ),
    track_head=dict(
        strides=[8, 16, 32],
        num_classes=40,
        num_queries=num_queries,
        feat_channels=256,
        encoder=transformer,
        decoder=transformer,
    ),
)

# SeqFormer (Wu et al. 2022), offline: Deformable DETR over all frames of a video, one query for
# each instance. The settings are those of VNext (projects/SeqFormer/configs/base_ytvis.yaml).
num_queries = 300
clip_length = None  # frames of a clip at test time; None takes a video as one clip
clip_stride = 1  # frames from the start of a clip to the start of the next one

model = dict(
    type='rocovis_mm.SeqFormer',
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
        type='rocovis_mm.SeqFormerHead',
        strides=[8, 16, 32],
        num_classes=40,
        num_queries=num_queries,
        feat_channels=256,
        encoder=dict(
            num_levels=4,
            num_layers=6,
            num_heads=8,
            num_points=4,
            feedforward_channels=1024,
            dropout=0.1,
        ),
        decoder=dict(
            num_levels=4,
            num_layers=6,
            num_heads=8,
            num_points=4,
            feedforward_channels=1024,
            dropout=0.1,
        ),
        assigner=dict(
            type='rocovis_mm.ClipBoxAssigner', class_weight=2.0, box_weight=5.0, giou_weight=2.0
        ),
        loss=dict(
            type='rocovis_mm.SeqFormerLoss',
            class_weight=2.0,
            box_weight=5.0,
            giou_weight=2.0,
            mask_weight=2.0,
            dice_weight=5.0,
        ),
    ),
    clip_length=clip_length,
    clip_stride=clip_stride,
    track_rule=dict(keep='queries', max_tracks=10, score_thr=0.05, resize='input'),
)

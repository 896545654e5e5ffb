# IDOL (Wu et al. 2022): Deformable DETR with dynamic masks on each frame, queries linked by
# embeddings. The settings are those of VNext (projects/IDOL/configs/ytvis19_r50.yaml).
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
    type='rocovis_mm.IDOL',
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
        type='rocovis_mm.IDOLHead',
        strides=[8, 16, 32],
        num_classes=40,
        num_queries=num_queries,
        feat_channels=256,
        encoder=transformer,
        decoder=transformer,
        assigner=dict(
            type='rocovis_mm.SimOTAAssigner',
            giou_weight=3.0,
            candidates=10,
            negative_candidates=100,
        ),
        loss=dict(
            type='rocovis_mm.IDOLLoss',
            class_weight=2.0,
            box_weight=5.0,
            giou_weight=2.0,
            mask_weight=2.0,
            dice_weight=5.0,
            reid_weight=2.0,
            reid_aux_weight=3.0,
        ),
    ),
    associator=dict(
        type='rocovis_mm.IDOLAssociator',
        select_score=0.1,  # least class probability of a query that counts
        box_iou=0.9,  # highest IoU of two boxes of one class
        nms_iou=0.5,  # highest IoU of two masks; 0.3 on OVIS
        match_score=0.5,
        init_score=0.2,  # least class probability of a track while there is none
        new_score=0.2,  # the same while there are tracks; 0.3 on OVIS
        memory='temporally_weighted',
        cached_frames=3,
        dead_frames=9,  # a track that was not seen for more frames never comes back
    ),
    track_rule=dict(
        reduce='mean',
        activation='sigmoid',
        max_tracks=100000,  # in effect every pair of a track and a class ...
        min_score=0.05,  # ... above this score is a result
        resize='nearest',
    ),
)

# IDOL (Wu et al. 2022): Deformable DETR with dynamic masks on each frame, queries linked by
# embeddings. The settings are those of VNext (projects/IDOL/configs/ytvis19_r50.yaml).
_base_ = './deformable_detr_r50.py'

model = dict(
    type='rocovis_mm.IDOL',
    track_head=dict(
        type='rocovis_mm.IDOLHead',
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

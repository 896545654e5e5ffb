# SeqFormer (Wu et al. 2022), offline: Deformable DETR over all frames of a video, one query for
# each instance. The settings are those of VNext (projects/SeqFormer/configs/base_ytvis.yaml).
_base_ = './deformable_detr_r50.py'

clip_length = None  # frames of a clip at test time; None takes a video as one clip
clip_stride = 1  # frames from the start of a clip to the start of the next one

model = dict(
    type='rocovis_mm.SeqFormer',
    track_head=dict(
        type='rocovis_mm.SeqFormerHead',
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

# IDOL, Swin-L, OVIS.
_base_ = ['./idol_r50_ovis.py', '../_base_/models/swin_l.py']

model = dict(
    backbone=_base_.swin_l.backbone,
    track_head=dict(strides=[4, 8, 16, 32]),  # the finest map is not read
    associator=dict(nms_iou=0.5, new_score=0.2),  # as on YouTube-VIS
)

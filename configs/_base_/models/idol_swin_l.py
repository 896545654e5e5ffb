_base_ = ['./idol_r50.py', './swin_l.py']

model = dict(
    backbone=_base_.swin_l.backbone,
    track_head=dict(strides=[4, 8, 16, 32]),  # the finest map is not read
)

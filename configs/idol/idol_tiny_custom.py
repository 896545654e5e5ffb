# IDOL, tiny, on your own data and a CPU, as rocovis_tiny_custom.py trains RoCoVIS.
_base_ = ['../_base_/models/idol_tiny.py', '../_base_/tiny_custom.py']

num_frames = 2  # IDOL learns from pairs

model = dict(
    backbone=_base_.tiny_custom.backbone,
    track_head=dict(num_classes=_base_.num_classes),
    clip_augment=_base_.tiny_custom.clip_augment,
)

# IDOL, tiny, on your own data and a CPU, as rocovis_tiny_custom.py trains RoCoVIS.
_base_ = ['../_base_/models/idol_tiny.py', '../_base_/tiny_custom.py']

num_frames = 2  # IDOL learns from pairs

model = dict(
    backbone=_base_.tiny_custom.backbone,
    track_head=dict(num_classes=_base_.num_classes),
    clip_augment=_base_.tiny_custom.clip_augment,
)
sample_pair = dict(_base_.sample_clip, num_frames=num_frames)
train_pipeline = [sample_pair, *_base_.train_pipeline[1:]]
whole_frames_pipeline = [sample_pair, *_base_.whole_frames_pipeline[1:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
custom_hooks = [
    *_base_.custom_hooks[:-1],
    dict(_base_.custom_hooks[-1], switch_pipeline=whole_frames_pipeline),
]

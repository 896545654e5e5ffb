# IDOL, tiny, on your own data and a CPU, as rocovis_tiny_custom.py trains RoCoVIS.
_base_ = ['../_base_/models/idol_tiny.py', '../_base_/tiny_custom.py']

num_frames = 2  # IDOL learns from pairs

model = dict(
    backbone=_base_.tiny_custom.backbone,
    track_head=dict(num_classes=_base_.num_classes),
    clip_augment=_base_.tiny_custom.clip_augment,
)
sample_pair = dict(_base_.sample_clip, num_frames=num_frames)
prepare_pair = [step for step in _base_.train_pipeline if step['type'] != 'rocovis_mm.SampleClip']
prepare_whole_pair = [
    step for step in _base_.whole_frames_pipeline if step['type'] != 'rocovis_mm.SampleClip'
]
train_pipeline = [sample_pair, *prepare_pair]
whole_frames_pipeline = [sample_pair, *prepare_whole_pair]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
switch = 'rocovis_mm.IterPipelineSwitchHook'
custom_hooks = [
    *[hook for hook in _base_.custom_hooks if hook['type'] != switch],
    dict(type=switch, switch_iter=_base_.whole_frames_from, switch_pipeline=whole_frames_pipeline),
]

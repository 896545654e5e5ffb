# RoCoVIS, tiny, on your own data and a CPU, from random weights: set the lines on top of
# ../_base_/datasets/custom_vis.py, or give them as --cfg-options data_root=... classes=...
_base_ = [
    '../_base_/models/rocovis_tiny.py',
    '../_base_/datasets/custom_vis_tiny.py',
    '../_base_/schedules/schedule_tiny_custom.py',
]

model = dict(
    backbone=dict(norm_cfg=dict(momentum=0.01)),  # the last stage trains with these statistics
    track_head=dict(
        num_classes=_base_.num_classes,
        loss=dict(oversample_ratio=12.0),  # few random points fall on a small object's edge
    ),
    clip_augment=dict(type='rocovis_mm.ClipCopyPaste', prob=0.15),
)
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='rocovis_mm.IterPipelineSwitchHook',
        switch_iter=_base_.whole_frames_from,
        switch_pipeline=_base_.whole_frames_pipeline,
    ),
]

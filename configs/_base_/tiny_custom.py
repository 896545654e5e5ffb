# The part that the tiny templates for own data share: data, schedule, and the settings that a model
# trained by this schedule needs. A template merges `tiny_custom` into its model.
_base_ = ['./datasets/custom_vis_tiny.py', './schedules/schedule_tiny_custom.py']

copy_paste_prob = 0.15  # probability that a clip receives objects of another clip

tiny_custom = dict(
    backbone=dict(norm_cfg=dict(momentum=0.01)),  # the last stage trains with these statistics
    track_head=dict(
        num_classes=_base_.num_classes,
        loss=dict(oversample_ratio=12.0),  # few random points fall on a small object's edge
    ),
    clip_augment=dict(type='rocovis_mm.ClipCopyPaste', prob=copy_paste_prob),
)
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='rocovis_mm.IterPipelineSwitchHook',
        switch_iter=_base_.whole_frames_from,
        switch_pipeline=_base_.whole_frames_pipeline,
    ),
]

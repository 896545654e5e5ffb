# RoCoVIS, tiny, on your own data and a CPU, from random weights: set the lines on top of
# ../_base_/datasets/custom_vis.py, or give them as --cfg-options data_root=... classes=...
_base_ = [
    '../_base_/models/rocovis_tiny.py',
    '../_base_/datasets/custom_vis.py',
    '../_base_/schedules/schedule_tiny.py',
]

input_size = (320, 192)  # frames are made to fit in; masks are predicted at a quarter of it
num_frames = 3  # of a training clip
batch_size = 4
num_workers = 1
max_iters = 6600  # about 40 minutes on two cores
single_frames_until = 1400
half_size_until = 3800
resize = dict(type='rocovis_mm.AlignedResize', scale=input_size, keep_ratio=True)

model = dict(
    track_head=dict(num_classes=_base_.num_classes),
    clip_augment=dict(type='rocovis_mm.ClipCopyPaste', prob=0.3),
)
train_pipeline = [
    dict(
        type='rocovis_mm.SampleClip',
        num_frames=num_frames,
        frame_range=_base_.frame_range,
        reverse_prob=0.5,
        event_prob=_base_.event_prob,
    ),
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='rocovis_mm.LoadVISFrame'),
            dict(type='rocovis_mm.LoadVISAnnotations'),
        ],
    ),
    dict(type='rocovis_mm.PanCrop', size_range=(0.6, 1.0), prob=0.7),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            resize,
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(type='rocovis_mm.ColorJitter'),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
test_pipeline = [
    dict(type='rocovis_mm.LoadVISFrame'),
    resize,
    dict(type='rocovis_mm.PackVISInputs'),
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    sampler=dict(type='rocovis_mm.ClipSampler', event_prob=0.3),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    dataset=dict(pipeline=test_pipeline),
)
test_dataloader = val_dataloader

# what of the schedule follows from the iterations above
train_cfg = dict(max_iters=max_iters, val_interval=max(max_iters // 4, 1))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=max_iters)]
custom_hooks = [*_base_.custom_hooks]
custom_hooks[2].update(single_frames_until=single_frames_until, half_size_until=half_size_until)
default_hooks = dict(checkpoint=dict(interval=max(max_iters // 4, 1)))

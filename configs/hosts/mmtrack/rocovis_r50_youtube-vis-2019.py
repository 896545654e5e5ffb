# RoCoVIS in MMTracking 1.0.0rc1: its runtime, its data set and data samples, its metric.
# Data as MMTracking wants them (CocoVID): docs/mmtrack.md.
_base_ = [
    'mmtrack::_base_/datasets/youtube_vis.py',
    'mmtrack::_base_/default_runtime.py',
    '../../_base_/models/rocovis_r50.py',
]

num_frames = 4  # of a training clip
frame_range = 10  # they are within so many frames to either side of a random one
train_scale = (640, 360)
max_iters = 15000
lr_step = max(max_iters * 2 // 3, 1)

model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='TrackDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
    ),
    track_head=dict(num_classes=40),
)

train_pipeline = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadImageFromFile'),
            dict(
                type='LoadTrackAnnotations', with_instance_id=True, with_mask=True, with_bbox=True
            ),
            dict(type='mmdet.Resize', scale=train_scale, keep_ratio=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
        ],
    ),
    dict(type='PackTrackInputs', num_key_frames=num_frames),  # all frames in one part
]
train_dataloader = dict(
    batch_size=2,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(
        pipeline=train_pipeline,
        ref_img_sampler=dict(
            num_ref_imgs=num_frames - 1,
            frame_range=frame_range,
            filter_key_img=True,
            method='uniform',
        ),
    ),
)

val_evaluator = dict(type='YouTubeVISMetric', metric='youtube_vis_ap')
test_evaluator = val_evaluator

train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=5000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='rocovis_mm.DecayByKindConstructor',
    optimizer=dict(type='AdamW', lr=5e-5, weight_decay=0.05),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=0.1),
            propagation=dict(flat_decay_mult=0.0),
        ),
        norm_decay_mult=0.0,
        embedding_decay_mult=0.0,  # also of tables, tokens, backgrounds, scales, gates
    ),
    clip_grad=dict(max_norm=0.01, norm_type=2),
)
param_scheduler = dict(
    type='MultiStepLR', by_epoch=False, begin=0, end=max_iters, milestones=[lr_step], gamma=0.1
)
default_hooks = dict(
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=5000),
    checkpoint_fit=dict(type='rocovis_mm.CheckpointFitHook'),  # a misfit trains or tests noise
)
# The scope stands here so that MMEngine imports rocovis_mm before it builds anything.
log_processor = dict(type='LogProcessor', _scope_='rocovis_mm', window_size=50, by_epoch=False)
load_from = None  # a Mask2Former trained on COCO is the usual start: docs/checkpoints.md

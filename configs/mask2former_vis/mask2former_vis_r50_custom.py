# MMDetection's own Mask2Former-VIS (offline: it sees a whole video at once) on our data, scored
# by our metrics. Set the lines on top, or give them as --cfg-options data_root=... classes=...
_base_ = 'mmdet::mask2former_vis/mask2former_r50_8xb2-8e_youtubevis2019.py'

data_root = 'data/my_videos/'
train_ann = 'train.json'
val_ann = 'val.json'
train_images = 'JPEGImages'  # the folders that file_names are relative to
val_images = 'JPEGImages'
classes = ('person', 'car', 'dog', 'motorbike', 'hoofed_animal', 'bird')
num_classes = len(classes)
train_scale = (640, 360)
test_scale = (640, 360)
num_frames = 2  # of a training clip
frame_range = 20  # the clip is within so many frames to either side of a random one
event_prob = 0.0  # share of the clips chosen to hold an exit, an entry or an occlusion
batch_size = 2
num_workers = 2
max_iters = 6000
lr_step = max(max_iters * 2 // 3, 1)  # iteration at which the learning rate falls

model = dict(
    track_head=dict(
        num_classes=num_classes, loss_cls=dict(class_weight=[1.0] * num_classes + [0.1])
    )
)

train_pipeline = [
    dict(
        type='rocovis_mm.SampleClip',
        num_frames=num_frames,
        frame_range=frame_range,
        event_prob=event_prob,
    ),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='rocovis_mm.LoadVISFrame'),
            dict(type='rocovis_mm.LoadVISAnnotations'),
            dict(type='rocovis_mm.AlignedResize', scale=train_scale, keep_ratio=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs', in_dict=False),
]
test_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='rocovis_mm.LoadVISFrame'),
            dict(type='rocovis_mm.AlignedResize', scale=test_scale, keep_ratio=True),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs', in_dict=False),
]
train_dataloader = dict(
    _delete_=True,
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    sampler=dict(type='rocovis_mm.ClipSampler'),
    dataset=dict(
        type='rocovis_mm.VISDataset',
        data_root=data_root,
        ann_file=train_ann,
        data_prefix=dict(img=train_images),
        metainfo=dict(classes=classes),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=1,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='rocovis_mm.VISDataset',
        whole_videos=True,
        data_root=data_root,
        ann_file=val_ann,
        data_prefix=dict(img=val_images),
        metainfo=dict(classes=classes),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

join = __import__('os').path.join  # a folder ends with a slash or without
val_evaluator = dict(_delete_=True, type='rocovis_mm.VISMetric', ann_file=join(data_root, val_ann))
test_evaluator = val_evaluator

param_scheduler = dict(end=max_iters, milestones=[lr_step])
train_cfg = dict(type='rocovis_mm.IterTrainLoop', max_iters=max_iters)
default_hooks = dict(
    # the first lines at once, and validation figures at their iteration
    logger=dict(type='rocovis_mm.EarlyLoggerHook', interval=50, log_metric_by_epoch=False),
    checkpoint=dict(type='rocovis_mm.WholeCheckpointHook'),
    divergence=dict(type='rocovis_mm.DivergenceHook'),
)

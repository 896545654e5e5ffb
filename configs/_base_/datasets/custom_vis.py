# Any data set in YouTube-VIS json. Set these lines; docs/data.md says what the files hold.
data_root = 'data/my_videos/'
train_ann = 'train.json'
val_ann = 'val.json'
train_images = 'JPEGImages'  # the folders that file_names are relative to
val_images = 'JPEGImages'
classes = ('person', 'car', 'dog', 'motorbike', 'hoofed_animal', 'bird')

num_classes = len(classes)
num_frames = 5  # of a training clip
frame_range = 6  # the clip is within so many frames to either side of a random one
event_prob = 0.5  # share of the clips chosen to hold an exit, an entry or an occlusion
train_scales = [(768, side) for side in range(288, 513, 32)]  # longest, shortest side
test_scale = (1333, 360)
batch_size = 2
num_workers = 2

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
            dict(
                type='RandomChoiceResize',
                resize_type='rocovis_mm.AlignedResize',
                scales=train_scales,
                keep_ratio=True,
            ),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(type='rocovis_mm.ColorJitter'),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
test_pipeline = [
    dict(type='rocovis_mm.LoadVISFrame'),
    dict(type='rocovis_mm.AlignedResize', scale=test_scale, keep_ratio=True),
    dict(type='rocovis_mm.PackVISInputs'),
]

train_dataloader = dict(
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
    batch_size=1,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    sampler=dict(type='rocovis_mm.VideoFrameSampler'),
    dataset=dict(
        type='rocovis_mm.VISDataset',
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
val_evaluator = dict(type='rocovis_mm.VISMetric', ann_file=join(data_root, val_ann))
test_evaluator = val_evaluator

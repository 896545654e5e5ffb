# Any data set in YouTube-VIS json, small and quick for a CPU.
_base_ = './custom_vis.py'

input_size = (320, 192)  # frames are made to fit in; masks are predicted at a quarter of it
num_frames = 3  # of a training clip
batch_size = 4
num_workers = 0  # a loading process would take the cores that train
test_size = (448, 256)  # and of a run's last part
event_video_prob = 0.6 * _base_.event_prob  # share of the clips whose video is chosen to have one

sample_clip = dict(
    type='rocovis_mm.SampleClip',
    num_frames=num_frames,
    frame_range=_base_.frame_range,
    reverse_prob=0.5,
    event_prob=_base_.event_prob,
)
load_clip = dict(
    type='TransformBroadcaster',
    transforms=[
        dict(type='rocovis_mm.LoadVISFrame'),
        dict(type='rocovis_mm.LoadVISAnnotations'),
    ],
)
prepare_clip = [
    load_clip,
    dict(type='rocovis_mm.PanCrop', size_range=(0.6, 1.0), prob=0.7),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='rocovis_mm.AlignedResize', scale=input_size, keep_ratio=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(type='rocovis_mm.ColorJitter'),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
prepare_whole_clip = [  # of a run's last part: frames as the test sees them
    load_clip,
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='rocovis_mm.AlignedResize', scale=test_size, keep_ratio=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(type='rocovis_mm.ColorJitter'),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
train_pipeline = [sample_clip, *prepare_clip]
whole_frames_pipeline = [sample_clip, *prepare_whole_clip]
test_pipeline = [
    dict(type='rocovis_mm.LoadVISFrame'),
    dict(type='rocovis_mm.AlignedResize', scale=test_size, keep_ratio=True),
    dict(type='rocovis_mm.PackVISInputs'),
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    sampler=dict(type='rocovis_mm.ClipSampler', event_prob=event_video_prob),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    dataset=dict(pipeline=test_pipeline),
)
test_dataloader = val_dataloader

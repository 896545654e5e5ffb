# The body of all benchmark data sets: clips, scales and crops as VITA and GenVIS publish them. Each
# file that builds on this one has a benchmark's variables, and enters its paths and its name:
# MMEngine evaluates this file before them. docs/benchmarks.md says how to get the data.
num_frames = 5  # of a training clip
frame_range = 6  # the clip is within so many frames to either side of a random one
event_prob = 0.0  # share of the clips chosen to hold an exit, an entry or an occlusion
train_scales = [(768, side) for side in range(288, 513, 32)]  # longest, shortest side
crop_prob = 0.5  # share of the clips that are cropped before that
crop_scales = [(1333, side) for side in (400, 500, 600)]  # of the frames to crop from
crop_range = (384, 600)  # sides of the crop, whose window moves over the clip
test_scale = (1333, 360)  # with Swin-L: (1333, 448)
batch_size = 2  # clips per GPU; the published schedules count on 8 in a step of all GPUs
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
        transforms=[
            dict(type='rocovis_mm.LoadVISFrame'),
            dict(type='rocovis_mm.LoadVISAnnotations'),
        ],
    ),
    dict(
        type='RandomApply',
        prob=crop_prob,
        transforms=[
            dict(
                type='TransformBroadcaster',
                share_random_params=True,
                transforms=[
                    dict(
                        type='RandomChoiceResize',
                        resize_type='rocovis_mm.AlignedResize',
                        scales=crop_scales,
                        keep_ratio=True,
                    ),
                ],
            ),
            dict(type='rocovis_mm.PanCrop', pixel_range=crop_range, prob=1.0),
        ],
    ),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(
                type='RandomChoiceResize',
                resize_type='rocovis_mm.AlignedResize',
                scales=train_scales,
                keep_ratio=True,
            ),
            dict(type='mmdet.RandomFlip', prob=0.5),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
load_frame = dict(type='rocovis_mm.LoadVISFrame')
test_resize = dict(type='rocovis_mm.AlignedResize', scale=test_scale, keep_ratio=True)
pack = dict(type='rocovis_mm.PackVISInputs')
test_pipeline = [load_frame, test_resize, pack]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    sampler=dict(type='rocovis_mm.ClipSampler'),
    dataset=dict(
        type='rocovis_mm.VISDataset',
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    sampler=dict(type='rocovis_mm.VideoFrameSampler'),
    dataset=dict(type='rocovis_mm.VISDataset', test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='rocovis_mm.VISMetric')
test_evaluator = val_evaluator

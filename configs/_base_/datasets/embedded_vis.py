# The generated data set: tools/dataset_converters/generate_embedded.py writes it.
data_root = 'data/embedded/'
num_classes = 5

num_frames = 4  # of a training clip
frame_range = 4  # the clip is within so many frames to either side of a random one
event_prob = 0.5  # share of the clips chosen to hold an exit, an entry or an occlusion
batch_size = 3
num_workers = 1

# The steps of the pipelines, by name: a config that builds on this one can put others between them.
sample_clip = dict(
    type='rocovis_mm.SampleClip',
    num_frames=num_frames,
    frame_range=frame_range,
    reverse_prob=0.5,
    event_prob=event_prob,
)
load_frame = dict(type='rocovis_mm.LoadVISFrame')
load_annotations = dict(type='rocovis_mm.LoadVISAnnotations')
flip = dict(type='mmdet.RandomFlip', prob=0.5)
# The class is visible in the hue too. The jitter leaves the hue as it is.
jitter = dict(type='rocovis_mm.ColorJitter', hue=0.0, channel_gain=(1.0, 1.0))
pack = dict(type='rocovis_mm.PackVISInputs')

train_pipeline = [
    sample_clip,
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[load_frame, load_annotations, flip, jitter],
    ),
    pack,
]
test_pipeline = [load_frame, pack]

train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    sampler=dict(type='rocovis_mm.ClipSampler'),
    dataset=dict(
        type='rocovis_mm.VISDataset',
        data_root=data_root,
        ann_file='train.json',
        data_prefix=dict(img='JPEGImages'),
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
        ann_file='val.json',
        data_prefix=dict(img='JPEGImages'),
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

join = __import__('os').path.join  # a folder ends with a slash or without
val_evaluator = dict(type='rocovis_mm.VISMetric', ann_file=join(data_root, 'val.json'))
test_evaluator = val_evaluator

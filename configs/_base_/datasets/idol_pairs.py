# Pairs of frames as IDOL publishes them (VNext, projects/IDOL/configs). This file is used with
# the config of a benchmark, as in configs/idol/idol_r50_ovis.py, which chooses a pipeline.
pair_range = 10  # the second frame is at most so many frames away from the first one
pairs_per_gpu = dict(youtube_vis=4, ovis=2)  # on 8 GPUs, as published: 32 and 16 in a step
pair_scales = dict(  # longest, shortest side: one for a pair
    youtube_vis=[(768, side) for side in (320, 352, 392, *range(416, 641, 32))],
    ovis=[(1333, side) for side in range(480, 801, 32)],
)
pair_crop_prob = 0.5  # share of the pairs that are cropped before that
pair_crop_range = (384, 600)  # sides of the crop, whose place is drawn for each of the two frames
pair_test_scales = dict(youtube_vis=(1333, 480), ovis=(1333, 720))

pair_resize = dict(
    type='RandomChoiceResize', resize_type='rocovis_mm.AlignedResize', keep_ratio=True
)
load_pair = [
    dict(type='rocovis_mm.SampleClip', num_frames=2, frame_range=pair_range),
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='rocovis_mm.LoadVISFrame'),
            dict(type='rocovis_mm.LoadVISAnnotations'),
        ],
    ),
    dict(
        type='RandomApply',
        prob=pair_crop_prob,
        transforms=[dict(type='rocovis_mm.PanCrop', pixel_range=pair_crop_range, prob=1.0)],
    ),
]
pair_pipelines = {
    name: [
        *load_pair,
        dict(
            type='TransformBroadcaster',
            share_random_params=True,
            transforms=[
                dict(pair_resize, scales=scales),
                dict(type='mmdet.RandomFlip', prob=0.5),
            ],
        ),
        dict(type='rocovis_mm.PackVISInputs'),
    ]
    for name, scales in pair_scales.items()
}
pair_test_pipelines = {
    name: [
        dict(type='rocovis_mm.LoadVISFrame'),
        dict(type='rocovis_mm.AlignedResize', scale=scale, keep_ratio=True),
        dict(type='rocovis_mm.PackVISInputs'),
    ]
    for name, scale in pair_test_scales.items()
}

# Training clips as DVIS publishes them. This file is used with the config of a benchmark,
# as in configs/dvis/dvis_r50_ovis.py, which chooses one of the pipelines.
clip_frames = 5  # consecutive ones
clips_per_gpu = 1  # the published schedules count on 8 in a step of all GPUs
clip_sides = dict(  # shortest side, one for a clip
    r50=(240, 360, 480),
    swin_l=(360, 480, 600),
    ovis_720p=tuple(range(480, 801, 32)),
)
clip_longest = dict(ovis=1333, youtube_vis=768, swin_l=1024)
clip_crop_scales = [(1333, side) for side in (400, 500, 600)]  # of the frames to crop from
clip_crop_range = (384, 600)  # sides of the crop
clip_crop_pan = 0.0  # all frames of a clip have one window, as published; 1.0 moves it

sample_clip = dict(
    type='rocovis_mm.SampleClip', num_frames=clip_frames, frame_range=clip_frames // 2
)
load_clip = dict(
    type='TransformBroadcaster',
    transforms=[
        dict(type='rocovis_mm.LoadVISFrame'),
        dict(type='rocovis_mm.LoadVISAnnotations'),
    ],
)
clip_resize = dict(
    type='RandomChoiceResize', resize_type='rocovis_mm.AlignedResize', keep_ratio=True
)
crop_clip = dict(
    type='RandomApply',
    prob=0.5,
    transforms=[
        dict(
            type='TransformBroadcaster',
            share_random_params=True,
            transforms=[dict(clip_resize, scales=clip_crop_scales)],
        ),
        dict(
            type='rocovis_mm.PanCrop',
            pixel_range=clip_crop_range,
            pan=clip_crop_pan,
            prob=1.0,
        ),
    ],
)
clip_scales = dict(  # longest, shortest side
    r50_ovis=[(clip_longest['ovis'], side) for side in clip_sides['r50']],
    r50_youtube_vis=[(clip_longest['youtube_vis'], side) for side in clip_sides['r50']],
    swin_l=[(clip_longest['swin_l'], side) for side in clip_sides['swin_l']],
    ovis_720p=[(clip_longest['ovis'], side) for side in clip_sides['ovis_720p']],
)
finish_clip = {
    name: [
        dict(
            type='TransformBroadcaster',
            share_random_params=True,
            transforms=[
                dict(clip_resize, scales=scales),
                dict(type='mmdet.RandomFlip', prob=0.5),
            ],
        ),
        dict(type='rocovis_mm.PackVISInputs'),
    ]
    for name, scales in clip_scales.items()
}
clip_pipelines = {name: [sample_clip, load_clip, *steps] for name, steps in finish_clip.items()}
cropped_clip_pipelines = {  # for YouTube-VIS 2019
    name: [sample_clip, load_clip, crop_clip, *steps] for name, steps in finish_clip.items()
}

# The steps that make CTVIS' training clips of a benchmark's videos and of COCO's images. This file
# is used with the config of a benchmark, as in configs/ctvis/ctvis_r50_ovis.py, which adds the
# length of a clip and the data sets.
_base_ = './coco_joint.py'

clip_scales = [(768, side) for side in (320, 352, 392, *range(416, 641, 32))]  # longest, shortest
clip_crop_prob = 0.5
clip_crop_scales = [(1333, side) for side in (400, 500, 600)]
clip_crop_range = (384, 600)
clip_crop_pan = 0.0  # the published window never moves, by mistake; 1.0 moves it over the clip
clip_test_scale = (1333, 480)

clip_steps = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='rocovis_mm.LoadVISFrame'),
            dict(type='rocovis_mm.LoadVISAnnotations'),
        ],
    ),
    dict(
        type='RandomApply',
        prob=clip_crop_prob,
        transforms=[
            dict(
                type='TransformBroadcaster',
                share_random_params=True,
                transforms=[
                    dict(
                        type='RandomChoiceResize',
                        resize_type='rocovis_mm.AlignedResize',
                        scales=clip_crop_scales,
                        keep_ratio=True,
                    ),
                ],
            ),
            dict(
                type='rocovis_mm.PanCrop',
                pixel_range=clip_crop_range,
                pan=clip_crop_pan,
                prob=1.0,
            ),
        ],
    ),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(
                type='RandomChoiceResize',
                resize_type='rocovis_mm.AlignedResize',
                scales=clip_scales,
                keep_ratio=True,
            ),
            dict(type='mmdet.RandomFlip', prob=0.5),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
clip_test_pipeline = [
    dict(type='rocovis_mm.LoadVISFrame'),
    dict(type='rocovis_mm.AlignedResize', scale=clip_test_scale, keep_ratio=True),
    dict(type='rocovis_mm.PackVISInputs'),
]
pseudo_clip = dict(scales=clip_scales, smooth=True)

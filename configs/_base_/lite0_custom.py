# The part that the templates with EfficientNet-Lite0 share: data, schedule, and the settings of a
# model with a pretrained backbone. The schedule begins with single frames of many videos. A
# template merges `lite0_custom` into its model.
_base_ = ['./datasets/custom_vis_tiny.py', './schedules/schedule_tiny.py']

lite0_width = 64  # channels of queries and pixel decoder
lite0_queries = 16
lite0_points = 1024  # of a mask, at which its loss is taken
input_size = (512, 288)  # frames are made to fit in; masks are predicted at a quarter of it
test_size = (640, 360)
num_frames = 3  # of a training clip
frame_range = 2  # neighbouring frames, as a stream has them
batch_size = 2  # clips of a process
single_frames_batch_size = 4  # before there are clips
max_iters = 4200  # 51 minutes on two CPU cores that compute bfloat16
val_interval = max(max_iters // 4, 1)
warmup = max(min(100, max_iters // 10), 1)
clips_from = max(max_iters * 5 // 8, 1)
copy_paste_prob = 0.8

lite0_attention = dict(embed_dims=lite0_width)
lite0_feed_forward = dict(embed_dims=lite0_width, feedforward_channels=2 * lite0_width)
lite0_position = dict(num_feats=lite0_width // 2)

lite0_custom = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(
        _delete_=True,
        type='rocovis_mm.EfficientNetLite',
        variant='lite0',
        frozen_stages=2,  # the maps of strides 4 and 8 keep the ImageNet weights
        frozen_bfloat16=True,
    ),
    track_head=dict(
        num_classes=_base_.num_classes,
        num_queries=lite0_queries,
        feat_channels=lite0_width,
        out_channels=lite0_width,
        pixel_decoder=dict(
            place_octaves=4,
            encoder=dict(layer_cfg=dict(self_attn_cfg=lite0_attention, ffn_cfg=lite0_feed_forward)),
            positional_encoding=lite0_position,
        ),
        positional_encoding=lite0_position,
        transformer_decoder=dict(
            layer_cfg=dict(
                self_attn_cfg=lite0_attention,
                cross_attn_cfg=lite0_attention,
                ffn_cfg=lite0_feed_forward,
            ),
        ),
        assigner=dict(num_points=lite0_points),
        loss=dict(num_points=lite0_points),
        pixel_loss=dict(type='rocovis_mm.PixelLoss'),
    ),
    clip_augment=dict(
        type='rocovis_mm.ClipCopyPaste',
        prob=copy_paste_prob,
        max_instances=3,
        scale_range=(0.5, 2.0),
        flip_prob=0.5,
        gain_range=(0.7, 1.3),
    ),
)

sample_clip = dict(_base_.sample_clip, num_frames=num_frames, frame_range=frame_range)
prepare_clip = [  # stronger crops and colours than in the tiny templates
    _base_.load_clip,
    dict(type='rocovis_mm.PanCrop', size_range=(0.35, 1.0), prob=0.8),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='rocovis_mm.AlignedResize', scale=input_size, keep_ratio=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(
                type='rocovis_mm.ColorJitter',
                brightness=48.0,
                contrast=(0.6, 1.5),
                saturation=(0.0, 1.6),
                hue=40.0,
                channel_gain=(0.8, 1.2),
            ),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
clip_pipeline = [sample_clip, *prepare_clip]
train_pipeline = [dict(sample_clip, num_frames=1), *prepare_clip]
train_dataloader = dict(batch_size=single_frames_batch_size, dataset=dict(pipeline=train_pipeline))
test_pipeline = [
    dict(type='rocovis_mm.LoadVISFrame'),
    dict(type='rocovis_mm.AlignedResize', scale=test_size, keep_ratio=True),
    dict(type='rocovis_mm.PackVISInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
custom_hooks = [
    *_base_.runtime_hooks,
    _base_.weight_average,
    dict(
        type='rocovis_mm.IterPipelineSwitchHook',
        switch_iter=clips_from,
        switch_pipeline=clip_pipeline,
        switch_batch_size=batch_size,
    ),
]
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
param_scheduler = [
    dict(_base_.warmup_scheduler, end=warmup),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=0, end=max_iters),
]
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))
default_hooks = dict(checkpoint=dict(interval=val_interval))

# The part that the templates with EfficientNet-Lite0 share: tiny_custom.py with a pretrained
# backbone, a wider model, and a schedule that begins with single frames of many videos. A template
# merges `lite0_custom` into its model.
_base_ = './tiny_custom.py'

lite0_width = 64  # channels of queries and pixel decoder
lite0_queries = 16
lite0_points = 1024  # of a mask, at which its loss is taken
num_frames = 4  # of a training clip
batch_size = 2  # clips of a process
single_frames_batch_size = num_frames * batch_size  # before there are clips
half_size_until = 0  # after equal times, half size had half of the AP50 of full size
clips_from = max(_base_.max_iters // 2, 1)
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
        frozen_stages=4,
        frozen_bfloat16=True,
    ),
    track_head=dict(
        _base_.tiny_custom['track_head'],
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
        loss=dict(num_points=lite0_points, oversample_ratio=3.0),
        pixel_loss=dict(type='rocovis_mm.PixelLoss'),
    ),
    clip_augment=dict(
        type='rocovis_mm.ClipCopyPaste',
        prob=copy_paste_prob,
        max_instances=3,
        scale_range=(0.6, 1.5),
        flip_prob=0.5,
        gain_range=(0.8, 1.2),
    ),
)

sample_clip = dict(_base_.sample_clip, num_frames=num_frames)
clip_pipeline = [sample_clip, *_base_.prepare_clip]
whole_frames_pipeline = [sample_clip, *_base_.prepare_whole_clip]
train_pipeline = [dict(sample_clip, num_frames=1), *_base_.prepare_clip]
train_dataloader = dict(batch_size=single_frames_batch_size, dataset=dict(pipeline=train_pipeline))
stages, switch = 'rocovis_mm.CurriculumHook', 'rocovis_mm.IterPipelineSwitchHook'
custom_hooks = [
    *[hook for hook in _base_.custom_hooks if hook['type'] not in (stages, switch)],
    dict(
        type=stages,
        single_frames_until=_base_.single_frames_until,
        half_size_until=half_size_until,
        augment_until=_base_.whole_frames_from,
    ),
    dict(
        type=switch,
        switch_iter=clips_from,
        switch_pipeline=clip_pipeline,
        switch_batch_size=batch_size,
    ),
    dict(
        type=switch,
        switch_iter=_base_.whole_frames_from,
        switch_pipeline=whole_frames_pipeline,
    ),
]
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))

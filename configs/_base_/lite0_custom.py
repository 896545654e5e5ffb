# The part that the templates with EfficientNet-Lite0 share: tiny_custom.py with a pretrained
# backbone and a wider model. A template merges `lite0_custom` into its model.
_base_ = './tiny_custom.py'

lite0_width = 64  # channels of queries and pixel decoder
lite0_queries = 16

lite0_attention = dict(embed_dims=lite0_width)
lite0_feed_forward = dict(embed_dims=lite0_width, feedforward_channels=2 * lite0_width)
lite0_position = dict(num_feats=lite0_width // 2)

lite0_custom = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(
        _delete_=True,
        type='rocovis_mm.EfficientNetLite',
        variant='lite0',
        frozen_stages=2,
        norm_eval=True,
    ),
    track_head=dict(
        _base_.tiny_custom['track_head'],
        num_queries=lite0_queries,
        feat_channels=lite0_width,
        out_channels=lite0_width,
        pixel_decoder=dict(
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
    ),
    clip_augment=_base_.tiny_custom['clip_augment'],
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))

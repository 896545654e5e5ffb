# RoCoVIS designed for 20 frames/s on two CPU cores: EfficientNet-Lite0, and attention where it is
# cheap. The deformable encoder and the propagation see strides 16 and 32. Strides 8 and 4 come from
# the feature pyramid above.
_base_ = './rocovis_tiny.py'

width = 64  # channels of queries and pixel decoder
num_queries = 16
propagation_strides = (16,)

attention = dict(embed_dims=width, num_heads=4)
feed_forward = dict(embed_dims=width, feedforward_channels=2 * width)

model = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(
        _delete_=True,
        type='rocovis_mm.EfficientNetLite',
        variant='lite0',
        frozen_stages=2,
        norm_eval=True,
    ),
    track_head=dict(
        num_queries=num_queries,
        feat_channels=width,
        out_channels=width,
        pixel_decoder=dict(
            propagation_strides=propagation_strides,
            encoder=dict(
                layer_cfg=dict(
                    self_attn_cfg=dict(num_levels=2, **attention),
                    ffn_cfg=feed_forward,
                ),
            ),
            positional_encoding=dict(num_feats=width // 2),
        ),
        positional_encoding=dict(num_feats=width // 2),
        transformer_decoder=dict(
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=feed_forward),
        ),
    ),
)

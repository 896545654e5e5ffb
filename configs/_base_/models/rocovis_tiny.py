# RoCoVIS for a CPU: about a million parameters, learns from random weights in minutes.
_base_ = './rocovis_r50.py'

num_queries = 12
width = 64  # channels of queries and pixel decoder
base_channels = 16  # of ResNet-18; the published width is 64

propagation_strides = (16, 32)
memory_frames = 2
assigner = 'rocovis_mm.UVLAPlusPlusAssigner'
num_points = 512

attention = dict(embed_dims=width, num_heads=4)
feed_forward = dict(embed_dims=width, feedforward_channels=2 * width)

model = dict(
    backbone=dict(
        depth=18,
        base_channels=base_channels,
        stem_channels=base_channels,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
    ),
    track_head=dict(
        in_channels=[base_channels, 2 * base_channels, 4 * base_channels, 8 * base_channels],
        num_queries=num_queries,
        feat_channels=width,
        out_channels=width,
        memory_frames=memory_frames,
        pixel_decoder=dict(
            propagation_strides=propagation_strides,
            propagation_heads=4,
            norm_cfg=dict(type='GN', num_groups=8),
            encoder=dict(
                num_layers=1,
                layer_cfg=dict(self_attn_cfg=dict(num_points=2, **attention), ffn_cfg=feed_forward),
            ),
            positional_encoding=dict(num_feats=width // 2, normalize=True),
        ),
        positional_encoding=dict(num_feats=width // 2, normalize=True),
        transformer_decoder=dict(
            num_layers=3,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=feed_forward),
        ),
        assigner=dict(type=assigner, num_points=num_points),
        loss=dict(
            num_points=num_points,
            supervise_initial=False,
        ),
    ),
    track_rule=dict(reduce='mean'),
)

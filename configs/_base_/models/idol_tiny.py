# IDOL for a CPU: learns from random weights in minutes.
_base_ = './idol_r50.py'

num_queries = 24
width = 64  # channels of queries and encoder, a multiple of 32
base_channels = 16  # of ResNet-18; the published width is 64

tiny_transformer = dict(
    num_layers=2, num_heads=4, num_points=4, feedforward_channels=2 * width, dropout=0.0
)
model = dict(
    data_preprocessor=dict(channels_last=True),
    backbone=dict(
        depth=18,
        base_channels=base_channels,
        stem_channels=base_channels,
        frozen_stages=-1,  # it starts at random
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
    ),
    track_head=dict(
        num_queries=num_queries,
        feat_channels=width,
        encoder=tiny_transformer,
        decoder=tiny_transformer,
    ),
)

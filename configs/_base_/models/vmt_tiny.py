# VMT for a CPU. The backbone's first map is as wide as the encoder, which VMT requires.
_base_ = './seqformer_tiny.py'

base_channels = 64  # of ResNet-18
point_limit = 1000  # places of a frame that are refined

model = dict(
    type='rocovis_mm.VMT',
    data_preprocessor=dict(pad_size_divisor=1),
    backbone=dict(
        base_channels=base_channels, stem_channels=base_channels, out_indices=(0, 1, 2, 3)
    ),
    track_head=dict(
        type='rocovis_mm.VMTHead',
        strides=[4, 8, 16, 32],
        refinement=dict(
            width=base_channels,
            point_limit=point_limit,
            num_layers=1,
            num_heads=4,
            feedforward_channels=2 * base_channels,
            dropout=0.0,
        ),
    ),
    track_rule=dict(keep='pairs', max_tracks=10, resize='direct', drop_empty=True),
)

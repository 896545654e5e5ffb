# RoCoVIS at the paper family's size.
_base_ = './mask2former_r50.py'

# What Table 2 of the paper takes apart, one line each.
propagation_strides = (16, 32)  # () is direct query decoding; stride 8 costs about ten times both
memory_frames = 3  # past frames whose keys and values the calibration reads
assigner = 'rocovis_mm.UVLAPlusPlusAssigner'  # or 'rocovis_mm.UVLAAssigner'
zero_init_propagation = True  # starts exactly as the Mask2Former that it is loaded from
detach_every = None  # frames between cuts of the graph through time

model = dict(
    type='rocovis_mm.RoCoVIS',
    track_head=dict(
        type='rocovis_mm.RoCoVISHead',
        memory_frames=memory_frames,
        detach_every=detach_every,
        pixel_decoder=dict(
            propagation_strides=propagation_strides,
            propagation_heads=8,
            zero_init_propagation=zero_init_propagation,
        ),
        assigner=dict(type=assigner),
    ),
)

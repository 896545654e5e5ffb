# RoCoVIS for a CPU: about a million parameters, learns from random weights in minutes.
_base_ = './mask2former_tiny.py'

propagation_strides = (16, 32)
memory_frames = 2
assigner = 'rocovis_mm.UVLAPlusPlusAssigner'

model = dict(
    type='rocovis_mm.RoCoVIS',
    track_head=dict(
        type='rocovis_mm.RoCoVISHead',
        memory_frames=memory_frames,
        pixel_decoder=dict(propagation_strides=propagation_strides, propagation_heads=4),
        assigner=dict(type=assigner),
    ),
    track_rule=dict(mask_scoring=True),
)

# RoCoVIS for a CPU: about a million parameters, learns from random weights in minutes.
_base_ = './mask2former_tiny.py'

propagation_strides = (8, 16)
memory_frames = 3
assigner = 'rocovis_mm.UVLAPlusPlusAssigner'
propagation = dict(num_heads=4, prior=True, window=3, ages=True)
propagation_start = 'full'  # it starts from random weights
mask_pooling = 'max'
scale_output = True
scale_memory = True

model = dict(
    type='rocovis_mm.RoCoVIS',
    scale_output=scale_output,
    track_head=dict(
        type='rocovis_mm.RoCoVISHead',
        memory_frames=memory_frames,
        scale_memory=scale_memory,
        pixel_decoder=dict(
            propagation_strides=propagation_strides,
            propagation=dict(start=propagation_start, **propagation),
            mask_pooling=mask_pooling,
        ),
        assigner=dict(type=assigner),
    ),
    track_rule=dict(mask_scoring=True),
)

# RoCoVIS at the paper family's size.
_base_ = './mask2former_r50.py'

# Table 2 of the paper takes these apart.
propagation_strides = (8, 16)  # () is direct query decoding
memory_frames = 3  # past frames whose keys and values the calibration reads
assigner = 'rocovis_mm.UVLAPlusPlusAssigner'  # or 'rocovis_mm.UVLAAssigner'
# How the calibration attends; docs/method.md says why. The paper's plain attention:
# prior=False, window=None, ages=False
propagation = dict(num_heads=8, prior=True, window=3, ages=True)
propagation_start = 'gate'  # the model begins exactly as the Mask2Former that it is loaded from
mask_pooling = 'max'  # a mask covers a cell that it touches; 'bilinear' is the first version's
scale_output = True  # masks that are output are scaled by the foreground probability
scale_memory = True  # masks that are propagated are, too
detach_every = None  # frames between cuts of the graph through time

model = dict(
    type='rocovis_mm.RoCoVIS',
    scale_output=scale_output,
    track_head=dict(
        type='rocovis_mm.RoCoVISHead',
        memory_frames=memory_frames,
        scale_memory=scale_memory,
        detach_every=detach_every,
        pixel_decoder=dict(
            propagation_strides=propagation_strides,
            propagation=dict(start=propagation_start, **propagation),
            mask_pooling=mask_pooling,
        ),
        assigner=dict(type=assigner),
    ),
)

# RoCoVIS for a fast stream on two CPU cores: rocovis_lite0_custom.py with attention where it is
# cheap. The deformable encoder and the propagation see strides 16 and 32. Strides 8 and 4 come from
# the feature pyramid above.
_base_ = './rocovis_lite0_custom.py'

propagation_strides = (16,)

model = dict(
    track_head=dict(
        pixel_decoder=dict(
            propagation_strides=propagation_strides,
            encoder=dict(layer_cfg=dict(self_attn_cfg=dict(num_levels=2))),
        ),
    ),
)

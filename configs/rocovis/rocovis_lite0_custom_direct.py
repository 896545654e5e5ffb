# Ablation (Table 2): direct query decoding alone, no instance mask propagation, plain UVLA.
_base_ = './rocovis_lite0_custom_imp.py'

propagation_strides = ()

model = dict(track_head=dict(pixel_decoder=dict(propagation_strides=propagation_strides)))

# Ablation (Table 2): direct query decoding + instance mask propagation, with plain UVLA.
_base_ = './rocovis_lite0_custom.py'

assigner = 'rocovis_mm.UVLAAssigner'

model = dict(track_head=dict(assigner=dict(type=assigner)))

# Ablation (Table 2): direct query decoding + instance mask propagation, with plain UVLA.
_base_ = './rocovis_tiny_custom.py'

model = dict(track_head=dict(assigner=dict(type='rocovis_mm.UVLAAssigner')))

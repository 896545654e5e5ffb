# Ablation (Table 2): direct query decoding + instance mask propagation, with plain UVLA.
_base_ = './rocovis_r50_hq-ytvis.py'

model = dict(track_head=dict(assigner=dict(type='rocovis_mm.UVLAAssigner')))

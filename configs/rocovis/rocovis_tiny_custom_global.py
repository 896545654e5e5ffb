# Ablation: as _imp, but one matching for the whole clip decides the labels (after TCOVIS).
_base_ = './rocovis_tiny_custom.py'

assigner = 'rocovis_mm.ClipGlobalAssigner'

model = dict(track_head=dict(assigner=dict(type=assigner)))

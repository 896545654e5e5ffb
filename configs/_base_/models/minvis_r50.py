# MinVIS (Huang et al. 2022): Mask2Former on each frame, queries matched afterwards.
_base_ = './mask2former_r50.py'

model = dict(
    type='rocovis_mm.MinVIS',
    track_head=dict(type='rocovis_mm.MinVISHead'),
    track_rule=dict(reduce='mean_logits'),
)

# GenVIS (online), ResNet-50, HQ-YTVIS.
_base_ = [
    '../_base_/models/genvis_r50.py',
    '../_base_/datasets/hq_ytvis.py',
    '../_base_/schedules/schedule_15k.py',
]

load_from = None  # a VITA is the published start: docs/checkpoints.md

model = dict(
    track_head=dict(num_classes=_base_.num_classes),
    track_rule=dict(max_tracks=_base_.max_tracks),
)

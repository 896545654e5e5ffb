# GenVIS (online), Swin-L, VIPSeg-things.
_base_ = [
    '../_base_/models/genvis_swin_l.py',
    '../_base_/datasets/vipseg_things.py',
    '../_base_/schedules/schedule_iter.py',
]

load_from = None  # a VITA is the published start: docs/checkpoints.md

model = dict(
    track_head=dict(num_classes=_base_.num_classes),
    track_rule=dict(max_tracks=_base_.max_tracks),
)

test_scale = (1333, 448)  # as published for Swin-L
test_resize = dict(_base_.test_resize, scale=test_scale)
test_pipeline = [_base_.load_frame, test_resize, _base_.pack]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

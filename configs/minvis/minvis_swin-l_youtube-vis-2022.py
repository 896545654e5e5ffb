# MinVIS, Swin-L, YouTube-VIS 2022.
_base_ = [
    '../_base_/models/minvis_swin_l.py',
    '../_base_/datasets/youtube_vis_2022.py',
    '../_base_/schedules/schedule_iter.py',
]

load_from = None  # a Mask2Former trained on COCO is the usual start: docs/checkpoints.md

model = dict(
    track_head=dict(num_classes=_base_.num_classes),
    track_rule=dict(max_tracks=_base_.max_tracks),
)

# Where masks are scored here, by the long videos: Table 1 is on them.
default_hooks = dict(checkpoint=dict(save_best='long/AP'))

test_scale = (1333, 448)  # as published for Swin-L
test_resize = dict(_base_.test_resize, scale=test_scale)
test_pipeline = [_base_.load_frame, test_resize, _base_.pack]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

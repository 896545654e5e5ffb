# DVIS (online), Swin-L, YouTube-VIS 2022.
_base_ = [
    '../_base_/models/dvis_swin_l.py',
    '../_base_/datasets/youtube_vis_2022.py',
    '../_base_/datasets/dvis_clips.py',
    '../_base_/schedules/schedule_dvis_40k.py',
]

load_from = None  # a MinVIS trained on the same data is the published start: docs/peers/dvis.md

model = dict(
    track_head=dict(num_classes=_base_.num_classes),
    track_rule=dict(max_tracks=_base_.max_tracks),
)
train_dataloader = dict(
    batch_size=_base_.clips_per_gpu,
    dataset=dict(pipeline=_base_.clip_pipelines['swin_l']),
)

# Where masks are scored here, by the long videos.
default_hooks = dict(checkpoint=dict(save_best='long/AP'))

test_scale = (1333, 480)  # as published for Swin-L
test_resize = dict(_base_.test_resize, scale=test_scale)
test_pipeline = [_base_.load_frame, test_resize, _base_.pack]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# DVIS (online), ResNet-50, YouTube-VIS 2019.
_base_ = [
    '../_base_/models/dvis_r50.py',
    '../_base_/datasets/youtube_vis_2019.py',
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
    dataset=dict(pipeline=_base_.cropped_clip_pipelines['r50_youtube_vis']),
)

# SeqFormer, ResNet-50, YouTube-VIS 2019.
_base_ = [
    '../_base_/models/seqformer_r50.py',
    '../_base_/datasets/youtube_vis_2019.py',
    '../_base_/datasets/seqformer_clips.py',
    '../_base_/schedules/schedule_seqformer.py',
    '../_base_/datasets/whole_videos.py',
]

load_from = None  # pre-trained on COCO, as published: docs/peers/seqformer.md

model = dict(track_head=dict(num_classes=_base_.num_classes))
train_dataloader = _base_.seqformer_train_loader

test_pipeline = [
    dict(type='TransformBroadcaster', transforms=[_base_.load_frame, _base_.test_resize]),
    _base_.pack,
]
val_dataloader = dict(_base_.whole_videos, dataset=dict(whole_videos=True, pipeline=test_pipeline))
test_dataloader = val_dataloader

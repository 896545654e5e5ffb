# VMT, ResNet-50, HQ-YTVIS.
_base_ = [
    '../_base_/models/vmt_r50.py',
    '../_base_/datasets/hq_ytvis.py',
    '../_base_/datasets/seqformer_clips.py',
    '../_base_/schedules/schedule_seqformer.py',
    '../_base_/datasets/whole_videos.py',
]

load_from = None  # docs/peers/vmt.md says how to convert the published weights

train_dataloader = _base_.seqformer_train_loader

test_resize = dict(_base_.test_resize, backend='pillow')  # as published
test_pipeline = [
    dict(type='TransformBroadcaster', transforms=[_base_.load_frame, test_resize]),
    _base_.pack,
]
val_dataloader = dict(_base_.whole_videos, dataset=dict(whole_videos=True, pipeline=test_pipeline))
test_dataloader = val_dataloader

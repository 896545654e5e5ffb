# SeqFormer, ResNet-50, YouTube-VIS 2019, with the class outputs and the inference of its first
# release, whose weights are published.
_base_ = [
    '../_base_/models/seqformer_original_r50.py',
    '../_base_/datasets/youtube_vis_2019.py',
    '../_base_/datasets/seqformer_clips.py',
    '../_base_/schedules/schedule_seqformer.py',
    '../_base_/datasets/whole_videos.py',
]

load_from = None  # docs/peers/seqformer.md says how to convert the published weights

train_dataloader = _base_.seqformer_train_loader

test_resize = dict(_base_.test_resize, backend='pillow')  # as published
test_pipeline = [
    dict(type='TransformBroadcaster', transforms=[_base_.load_frame, test_resize]),
    _base_.pack,
]
val_dataloader = dict(_base_.whole_videos, dataset=dict(whole_videos=True, pipeline=test_pipeline))
test_dataloader = val_dataloader

# SeqFormer, tiny, on the embedded data set, as rocovis_demo.py trains RoCoVIS.
_base_ = [
    '../_base_/models/seqformer_tiny.py',
    '../_base_/datasets/demo_vis.py',
    '../_base_/schedules/schedule_tiny.py',
    '../_base_/datasets/whole_videos.py',
]

model = dict(track_head=dict(num_classes=_base_.num_classes))

test_pipeline = [
    dict(type='TransformBroadcaster', transforms=[_base_.load_frame, _base_.resize]),
    _base_.pack,
]
val_dataloader = dict(_base_.whole_videos, dataset=dict(whole_videos=True, pipeline=test_pipeline))
test_dataloader = val_dataloader

# IDOL, tiny, on the embedded data set, as rocovis_demo.py trains RoCoVIS.
_base_ = [
    '../_base_/models/idol_tiny.py',
    '../_base_/datasets/demo_vis.py',
    '../_base_/schedules/schedule_tiny.py',
]

num_frames = 2  # IDOL learns from pairs

model = dict(track_head=dict(num_classes=_base_.num_classes))
sample_pair = dict(_base_.sample_clip, num_frames=num_frames)
prepare_pair = [step for step in _base_.train_pipeline if step['type'] != 'rocovis_mm.SampleClip']
train_pipeline = [sample_pair, *prepare_pair]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# IDOL, ResNet-50, on your own data: set the lines on top of ../_base_/datasets/custom_vis.py,
# or give them as --cfg-options data_root=... train_ann=... val_ann=... classes="('a', 'b')".
_base_ = [
    '../_base_/models/idol_r50.py',
    '../_base_/datasets/custom_vis.py',
    '../_base_/schedules/schedule_idol.py',
]

# The weights pre-trained on COCO pairs are the usual start; docs/peers/idol.md says how to convert
# them.
load_from = None

num_frames = 2  # IDOL learns from pairs
frame_range = 10  # the second frame is at most so many frames away from the first one

model = dict(track_head=dict(num_classes=_base_.num_classes))
sample_pair = dict(
    type='rocovis_mm.SampleClip',
    num_frames=num_frames,
    frame_range=frame_range,
    event_prob=_base_.event_prob,
)
prepare_pair = [step for step in _base_.train_pipeline if step['type'] != 'rocovis_mm.SampleClip']
train_pipeline = [sample_pair, *prepare_pair]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# CTVIS, ResNet-50, on your own data: set the lines on top of ../_base_/datasets/custom_vis.py,
# or give them as --cfg-options data_root=... train_ann=... val_ann=... classes="('a', 'b')".
_base_ = [
    '../_base_/models/ctvis_r50.py',
    '../_base_/datasets/custom_vis.py',
    '../_base_/schedules/schedule_ctvis.py',
]

# A trained Mask2Former is the usual start; docs/checkpoints.md says which, and how to convert it.
load_from = None

num_frames = 10  # of a training clip
frame_range = 15  # the clip is within so many frames to either side of a random one

model = dict(track_head=dict(num_classes=_base_.num_classes))
sample_clip = dict(
    type='rocovis_mm.SampleClip',
    num_frames=num_frames,
    frame_range=frame_range,
    event_prob=_base_.event_prob,
)
prepare_clip = [step for step in _base_.train_pipeline if step['type'] != 'rocovis_mm.SampleClip']
train_pipeline = [sample_clip, *prepare_clip]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

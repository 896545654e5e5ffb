# RoCoVIS, tiny, on your own data and a CPU, from random weights: set the lines on top of
# ../_base_/datasets/custom_vis.py, or give them as --cfg-options data_root=... classes="('a', 'b')".
_base_ = [
    '../_base_/models/rocovis_tiny.py',
    '../_base_/datasets/custom_vis.py',
    '../_base_/schedules/schedule_tiny.py',
]

input_size = (320, 192)  # width, height: masks are predicted at a quarter of it

train_pipeline = [*_base_.train_pipeline]
test_pipeline = [*_base_.test_pipeline]

model = dict(track_head=dict(num_classes=_base_.num_classes))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

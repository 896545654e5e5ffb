# RoCoVIS, ResNet-50, on your own data as in rocovis_r50_custom.py, counted in epochs.
_base_ = [
    '../_base_/models/rocovis_r50.py',
    '../_base_/datasets/custom_vis.py',
    '../_base_/schedules/schedule_epoch.py',
]

model = dict(track_head=dict(num_classes=_base_.num_classes))
train_dataloader = dict(sampler=dict(infinite=False))

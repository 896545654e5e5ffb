# CTVIS, tiny, on the embedded data set, as rocovis_demo.py trains RoCoVIS.
_base_ = [
    '../_base_/models/ctvis_tiny.py',
    '../_base_/datasets/demo_vis.py',
    '../_base_/schedules/schedule_tiny.py',
]

model = dict(track_head=dict(num_classes=_base_.num_classes, loss=dict(no_object_weight=0.2)))

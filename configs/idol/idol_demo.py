# IDOL, tiny, on the embedded data set, as rocovis_demo.py trains RoCoVIS.
_base_ = [
    '../_base_/models/idol_tiny.py',
    '../_base_/datasets/demo_vis.py',
    '../_base_/schedules/schedule_tiny.py',
]

num_frames = 2  # IDOL learns from pairs

model = dict(track_head=dict(num_classes=_base_.num_classes))

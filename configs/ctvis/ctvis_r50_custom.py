# CTVIS, ResNet-50, on your own data: set the lines on top of ../_base_/datasets/custom_vis.py,
# or give them as --cfg-options data_root=... train_ann=... val_ann=... classes="('a', 'b')".
_base_ = [
    '../_base_/models/ctvis_r50.py',
    '../_base_/datasets/custom_vis.py',
    '../_base_/schedules/schedule_iter.py',
]

# A trained Mask2Former is the usual start; docs/checkpoints.md says which, and how to convert it.
load_from = None

model = dict(track_head=dict(num_classes=_base_.num_classes))

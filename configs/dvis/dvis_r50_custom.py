# DVIS (online), ResNet-50, on your own data: set the lines on top of
# ../_base_/datasets/custom_vis.py, or give them as
# --cfg-options data_root=... train_ann=... val_ann=... classes="('a', 'b')".
_base_ = [
    '../_base_/models/dvis_r50.py',
    '../_base_/datasets/custom_vis.py',
    '../_base_/schedules/schedule_dvis.py',
]

# The detector is frozen: train a MinVIS on your data first (configs/minvis/minvis_r50_custom.py).
load_from = None

published = False  # True where load_from is a published DVIS, see docs/peers/dvis.md

model = dict(track_head=dict(num_classes=_base_.num_classes, published=published))

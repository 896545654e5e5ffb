# RoCoVIS, ResNet-50, on your own data from random weights: for a GPU without a checkpoint at hand.
_base_ = './rocovis_r50_custom.py'

max_iters = 4000
base_lr = 2e-4
val_interval = max(max_iters // 4, 1)
warmup = max(min(200, max_iters // 4), 1)

model = dict(backbone=dict(norm_cfg=dict(requires_grad=True), norm_eval=False))
optim_wrapper = dict(
    optimizer=dict(lr=base_lr), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0)))
)
train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=0, end=max_iters),
]
default_hooks = dict(checkpoint=dict(interval=val_interval))

# Minutes on a CPU, from random weights: single frames first, then clips; averaged weights count.
# The stages have their shares of a run of any length.
_base_ = './schedule_iter.py'

max_iters = 1000
val_interval = max(max_iters // 2, 1)
base_lr = 1.5e-3
warmup = max(min(100, max_iters // 10), 1)  # iterations until the learning rate is whole
single_frames_until = min(max(max_iters * 3 // 10, 1), max_iters // 3)  # clips begin there

train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
optim_wrapper = dict(
    optimizer=dict(lr=base_lr),
    paramwise_cfg=dict(
        custom_keys=dict(backbone=dict(lr_mult=1.0)),  # it starts at random too
        bias_decay_mult=0.0,
    ),
)
warmup_scheduler = dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup)
param_scheduler = [
    warmup_scheduler,
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=0, end=max_iters),
]
curriculum = dict(type='rocovis_mm.CurriculumHook', single_frames_until=single_frames_until)
weight_average = dict(
    type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.002, gamma=200, update_buffers=True
)
custom_hooks = [*_base_.custom_hooks, curriculum, weight_average]
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=val_interval, max_keep_ckpts=1),
)
randomness = dict(seed=0)
find_unused_parameters = True  # among several processes: a single frame needs no memory of a past
auto_scale_lr = dict(base_batch_size=4)

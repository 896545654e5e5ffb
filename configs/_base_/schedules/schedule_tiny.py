# Minutes on a CPU, from random weights: single frames first, then clips; averaged weights count.
_base_ = '../default_runtime.py'

max_iters = 1000
val_interval = 500
base_lr = 1.5e-3
single_frames_until = 300  # iteration at which clips begin
half_size_until = 0  # iteration up to which inputs have half their size

train_cfg = dict(type='rocovis_mm.IterTrainLoop', max_iters=max_iters, val_interval=val_interval)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=base_lr, weight_decay=0.05, betas=(0.9, 0.999)),
    paramwise_cfg=dict(
        custom_keys={
            'query_embed': dict(decay_mult=0.0),
            'query_feat': dict(decay_mult=0.0),
            'level_embed': dict(decay_mult=0.0),
            'level_encoding': dict(decay_mult=0.0),
            'background': dict(decay_mult=0.0),
        },
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
    ),
    clip_grad=dict(max_norm=0.01, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=0, end=max_iters),
]
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='rocovis_mm.CurriculumHook',
        single_frames_until=single_frames_until,
        half_size_until=half_size_until,
    ),
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.002, gamma=200, update_buffers=True),
]
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=val_interval, max_keep_ckpts=1),
)
auto_scale_lr = dict(enable=False, base_batch_size=4)

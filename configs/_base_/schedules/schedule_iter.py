# By iterations, as the paper's family trains: AdamW, one step of the learning rate.
_base_ = '../default_runtime.py'

max_iters = 90000
lr_step = max(max_iters * 5 // 9, 1)  # iteration at which the learning rate falls
val_interval = 5000
warmup = 10  # iterations until the learning rate is whole
base_lr = 5e-5  # for 8 clips in a step on all GPUs together; --auto-scale-lr adapts it

train_cfg = dict(type='rocovis_mm.IterTrainLoop', max_iters=max_iters, val_interval=val_interval)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='rocovis_mm.DecayByKindConstructor',
    optimizer=dict(type='AdamW', lr=base_lr, weight_decay=0.05, betas=(0.9, 0.999)),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=0.1),
            propagation=dict(flat_decay_mult=0.0),
        ),
        norm_decay_mult=0.0,
        embedding_decay_mult=0.0,  # also of tables, tokens, backgrounds, scales, gates
    ),
    clip_grad=dict(max_norm=0.01, norm_type=2),
)

warmup_scheduler = dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=warmup)
step_scheduler = dict(
    type='MultiStepLR',
    by_epoch=False,
    begin=0,
    end=max_iters,
    milestones=[lr_step],
    gamma=0.1,
)
param_scheduler = [warmup_scheduler, step_scheduler]
default_hooks = dict(checkpoint=dict(interval=val_interval))
auto_scale_lr = dict(enable=False, base_batch_size=8)

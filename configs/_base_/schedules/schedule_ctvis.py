# As CTVIS trains: 16 clips in a step of all GPUs, a learning rate that falls twice, no warm-up.
_base_ = './schedule_iter.py'

max_iters = 16000
lr_steps = [max(max_iters * 3 // 8, 1), max(max_iters * 3 // 4, 2)]  # the learning rate falls there
val_interval = 2000
base_lr = 1e-4  # for 16 clips in a step; --auto-scale-lr adapts it

train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
optim_wrapper = dict(optimizer=dict(lr=base_lr))
param_scheduler = [dict(_base_.step_scheduler, end=max_iters, milestones=lr_steps)]
default_hooks = dict(checkpoint=dict(interval=val_interval))
auto_scale_lr = dict(base_batch_size=16)

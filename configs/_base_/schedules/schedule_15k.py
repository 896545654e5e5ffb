_base_ = './schedule_iter.py'

max_iters = 15000
lr_step = max(max_iters * 2 // 3, 1)

train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    _base_.warmup_scheduler,
    dict(_base_.step_scheduler, end=max_iters, milestones=[lr_step]),
]

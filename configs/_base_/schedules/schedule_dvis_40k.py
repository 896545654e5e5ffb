_base_ = './schedule_dvis.py'

max_iters = 40000
lr_step = max(max_iters * 7 // 10, 1)

train_cfg = dict(max_iters=max_iters)
param_scheduler = [dict(_base_.step_scheduler, end=max_iters, milestones=[lr_step])]

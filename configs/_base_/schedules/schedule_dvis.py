# As DVIS trains its tracker on OVIS: a constant learning rate that falls once, and no warm-up.
_base_ = './schedule_iter.py'

max_iters = 20000
lr_step = max(max_iters * 7 // 10, 1)
base_lr = 1e-4  # for 8 clips in a step on all GPUs together
detection_share = 0.5  # of the iterations, in which the detector is matched with instances

train_cfg = dict(max_iters=max_iters)
optim_wrapper = dict(optimizer=dict(lr=base_lr))
param_scheduler = [dict(_base_.step_scheduler, end=max_iters, milestones=[lr_step])]
detection_matching = dict(type='rocovis_mm.DetectionMatchingHook', share=detection_share)
custom_hooks = [*_base_.custom_hooks, detection_matching]

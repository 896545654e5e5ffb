# About 40 minutes on two CPU cores, from random weights.
_base_ = './schedule_tiny.py'

max_iters = 6000
single_frames_until = 500  # at half size too
half_size_until = 500
enlarged_from = max_iters * 3 // 4  # by a sixth: edges are learned last

train_cfg = dict(max_iters=max_iters, val_interval=max(max_iters // 4, 1))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=max_iters)]
custom_hooks = [*_base_.custom_hooks]
custom_hooks[2].update(
    single_frames_until=single_frames_until,
    scales=[(0, 0.5), (half_size_until, 1.0), (enlarged_from, 7 / 6)],
)
default_hooks = dict(checkpoint=dict(interval=max(max_iters // 4, 1)))

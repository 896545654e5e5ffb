# About half an hour on two CPU cores, from random weights. The last part refines masks: whole
# frames at the test's size, nothing pasted, fixed batch norms, and a second, smaller cosine. The
# parts have their shares of a run of any length.
_base_ = './schedule_tiny.py'

max_iters = 5000
val_interval = max(max_iters // 4, 1)
warmup = max(min(100, max_iters // 4), 1)
single_frames_until = min(max(max_iters * 5 // 66, 1), max_iters // 3)
half_size_until = min(max(max_iters * 5 // 66, 1), max_iters // 3)  # set apart in comparisons
whole_frames_from = max(max_iters * 10 // 11, warmup + 1)

train_cfg = dict(max_iters=max_iters, val_interval=val_interval)
param_scheduler = [
    dict(_base_.warmup_scheduler, end=warmup),
    dict(
        type='CosineRestartLR',
        by_epoch=False,
        begin=warmup,
        end=max(max_iters, whole_frames_from + 1),
        periods=[whole_frames_from - warmup, max(max_iters - whole_frames_from, 1)],
        restart_weights=[1, 1 / 3],
        eta_min=0.0,
    ),
]
custom_hooks = [
    *_base_.runtime_hooks,
    dict(
        _base_.curriculum,
        single_frames_until=single_frames_until,
        half_size_until=half_size_until,
        augment_until=whole_frames_from,
    ),
    _base_.weight_average,
    dict(type='rocovis_mm.NormEvalHook', begin=whole_frames_from),
]
default_hooks = dict(checkpoint=dict(interval=val_interval))

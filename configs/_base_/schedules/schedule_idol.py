# As IDOL is trained on YouTube-VIS: a constant learning rate that falls once, no warm-up, the same
# decay of all weights. On OVIS a step has 16 pairs.
_base_ = './schedule_iter.py'

max_iters = 12000
lr_step = max(max_iters * 2 // 3, 1)
base_lr = 1e-4  # for 32 pairs in a step on all GPUs together
weight_decay = 1e-4

train_cfg = dict(max_iters=max_iters)
optim_wrapper = dict(
    optimizer=dict(lr=base_lr, weight_decay=weight_decay),
    paramwise_cfg=dict(norm_decay_mult=1.0, embedding_decay_mult=1.0),
)
param_scheduler = [dict(_base_.step_scheduler, end=max_iters, milestones=[lr_step])]
auto_scale_lr = dict(base_batch_size=32)

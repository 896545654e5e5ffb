# The pure-Python form of configs/_base_/schedules/schedule_tiny.py and default_runtime.py.
from mmdet.models.layers import ExpMomentumEMA
from mmengine.hooks import (
    DistSamplerSeedHook,
    EMAHook,
    IterTimerHook,
)
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from mmengine.runner import LogProcessor, TestLoop, ValLoop
from mmengine.visualization import LocalVisBackend
from torch.optim import AdamW

from rocovis_mm.engine import (
    AnnotationFileHook,
    CheckpointFitHook,
    ClipEventHook,
    CurriculumHook,
    DecayByKindConstructor,
    DivergenceHook,
    EarlyLoggerHook,
    IterationSeedHook,
    IterTrainLoop,
    ScheduleHook,
    VariablesHook,
    WholeCheckpointHook,
)
from rocovis_mm.visualization.vis_visualization_hook import VISVisualizationHook
from rocovis_mm.visualization.vis_visualizer import VISLocalVisualizer

max_iters = 1000
val_interval = 500

default_scope = 'mmdet'  # of the types that parts of MMDetection name by their words
train_cfg = dict(type=IterTrainLoop, max_iters=max_iters, val_interval=val_interval)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)

optim_wrapper = dict(
    type=OptimWrapper,
    constructor=DecayByKindConstructor,
    optimizer=dict(type=AdamW, lr=1.5e-3, weight_decay=0.05, betas=(0.9, 0.999)),
    paramwise_cfg=dict(
        custom_keys=dict(
            backbone=dict(lr_mult=1.0),
            propagation=dict(flat_decay_mult=0.0),
        ),
        norm_decay_mult=0.0,
        embedding_decay_mult=0.0,
        bias_decay_mult=0.0,
    ),
    clip_grad=dict(max_norm=0.01, norm_type=2),
)
param_scheduler = [
    dict(type=LinearLR, start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type=CosineAnnealingLR, eta_min=0.0, by_epoch=False, begin=0, end=max_iters),
]

default_hooks = dict(
    timer=dict(type=IterTimerHook),
    logger=dict(type=EarlyLoggerHook, interval=20, log_metric_by_epoch=False),
    param_scheduler=dict(type=ScheduleHook),
    checkpoint=dict(
        type=WholeCheckpointHook,
        by_epoch=False,
        interval=val_interval,
        save_best='AP',
        rule='greater',
        max_keep_ckpts=1,
    ),
    sampler_seed=dict(type=DistSamplerSeedHook),
    visualization=dict(type=VISVisualizationHook),
    checkpoint_fit=dict(type=CheckpointFitHook),
    variables=dict(type=VariablesHook),
    annotations=dict(type=AnnotationFileHook),
    divergence=dict(type=DivergenceHook),
)
custom_hooks = [
    dict(type=IterationSeedHook),
    dict(type=ClipEventHook, interval=50),
    dict(type=CurriculumHook, single_frames_until=300),
    dict(type=EMAHook, ema_type=ExpMomentumEMA, momentum=0.002, gamma=200, update_buffers=True),
]

# The scope makes MMEngine import rocovis_mm before anything of mmdet, see default_runtime.py.
log_processor = dict(type=LogProcessor, _scope_='rocovis_mm', window_size=50, by_epoch=False)
vis_backends = [dict(type=LocalVisBackend)]
visualizer = dict(type=VISLocalVisualizer, vis_backends=vis_backends, name='visualizer')

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl', timeout=3600),
)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0)
find_unused_parameters = True
auto_scale_lr = dict(enable=False, base_batch_size=4)

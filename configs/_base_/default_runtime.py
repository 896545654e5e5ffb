# What every run shares: logging, checkpoints, pictures.
default_scope = 'mmdet'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    # validation figures at their iteration; MMEngine's own default counts them in epochs
    logger=dict(type='rocovis_mm.EarlyLoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='rocovis_mm.ScheduleHook'),  # a resumed run follows its config
    checkpoint=dict(
        type='rocovis_mm.WholeCheckpointHook',  # a crash never leaves half a checkpoint
        by_epoch=False,
        interval=5000,
        save_best='AP',  # any key of rocovis_mm.VISMetric
        rule='greater',
        max_keep_ckpts=2,
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='rocovis_mm.VISVisualizationHook'),
    checkpoint_fit=dict(type='rocovis_mm.CheckpointFitHook'),  # a misfit trains or tests noise
    variables=dict(type='rocovis_mm.VariablesHook'),  # none that was set too late
    annotations=dict(type='rocovis_mm.AnnotationFileHook'),  # the same ones after a resume
    divergence=dict(type='rocovis_mm.DivergenceHook'),  # NaN ends a run with a message
)

runtime_hooks = [
    dict(type='rocovis_mm.IterationSeedHook'),  # a resumed run computes what a whole one does
    dict(type='rocovis_mm.ClipEventHook', interval=50),  # counts exits, entries, occlusions seen
]
custom_hooks = [*runtime_hooks]

# The scope stands here for a reason: MMEngine builds the log processor before anything else,
# and looking up the scope imports rocovis_mm. So any OpenMMLab tool, MMDetection's own
# tools/train.py included, works without custom_imports, and on mmcv-lite, where mmdet.models
# cannot be imported before rocovis_mm has put its placeholder for mmcv's compiled extension.
log_processor = dict(type='LogProcessor', _scope_='rocovis_mm', window_size=50, by_epoch=False)

# TensorBoard: add dict(type='TensorboardVisBackend') (pip install -r requirements/optional.txt).
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(
    type='rocovis_mm.VISLocalVisualizer', vis_backends=vis_backends, name='visualizer'
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # Without a GPU the tools take gloo. A process that waits so many seconds for others fails.
    dist_cfg=dict(backend='nccl', timeout=3600),
)
log_level = 'INFO'
load_from = None
resume = False

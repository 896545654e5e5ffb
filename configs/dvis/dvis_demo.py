# DVIS, tiny, on the embedded data set, as rocovis_demo.py trains RoCoVIS. The detector learns too.
_base_ = [
    '../_base_/models/dvis_tiny.py',
    '../_base_/datasets/demo_vis.py',
    '../_base_/schedules/schedule_tiny.py',
]

model = dict(
    track_head=dict(
        num_classes=_base_.num_classes,
        loss=dict(no_object_weight=0.2),
        object_loss=dict(no_object_weight=0.2),
    ),
)
custom_hooks = [*_base_.custom_hooks, dict(type='rocovis_mm.DetectionMatchingHook')]

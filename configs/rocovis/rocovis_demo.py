# What `make demo` trains: the tiny model on the embedded data set, minutes on two CPU cores.
_base_ = [
    '../_base_/models/rocovis_tiny.py',
    '../_base_/datasets/embedded_vis.py',
    '../_base_/schedules/schedule_tiny.py',
]

input_size = (208, 128)  # width, height: masks are predicted at a quarter of it
resize = dict(type='rocovis_mm.AlignedResize', scale=input_size, keep_ratio=False)

train_pipeline = [*_base_.train_pipeline]
train_pipeline[1].transforms.insert(2, resize)
test_pipeline = [_base_.test_pipeline[0], resize, _base_.test_pipeline[1]]

model = dict(
    track_head=dict(num_classes=_base_.num_classes, loss=dict(no_object_weight=0.2)),
    track_rule=dict(reduce='max'),  # an object that leaves keeps the score it had
)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

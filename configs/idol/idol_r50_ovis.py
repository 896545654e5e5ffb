# IDOL, ResNet-50, OVIS.
_base_ = [
    '../_base_/models/idol_r50.py',
    '../_base_/datasets/ovis.py',
    '../_base_/datasets/idol_pairs.py',
    '../_base_/schedules/schedule_idol.py',
]

load_from = (
    None  # the weights pre-trained on COCO pairs are the published start: docs/peers/idol.md
)

model = dict(
    track_head=dict(num_classes=_base_.num_classes),
    associator=dict(nms_iou=0.3, new_score=0.3),  # as published for a ResNet-50
)
train_dataloader = dict(
    batch_size=_base_.pairs_per_gpu['ovis'],
    dataset=dict(pipeline=_base_.pair_pipelines['ovis']),
)
val_dataloader = dict(dataset=dict(pipeline=_base_.pair_test_pipelines['ovis']))
test_dataloader = val_dataloader
auto_scale_lr = dict(base_batch_size=16)

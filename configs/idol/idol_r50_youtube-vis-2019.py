# IDOL, ResNet-50, YouTube-VIS 2019.
_base_ = [
    '../_base_/models/idol_r50.py',
    '../_base_/datasets/youtube_vis_2019.py',
    '../_base_/datasets/idol_pairs.py',
    '../_base_/schedules/schedule_idol.py',
]

load_from = (
    None  # the weights pre-trained on COCO pairs are the published start: docs/peers/idol.md
)

model = dict(
    track_head=dict(num_classes=_base_.num_classes),
)
train_dataloader = dict(
    batch_size=_base_.pairs_per_gpu['youtube_vis'],
    dataset=dict(pipeline=_base_.pair_pipelines['youtube_vis']),
)
val_dataloader = dict(dataset=dict(pipeline=_base_.pair_test_pipelines['youtube_vis']))
test_dataloader = val_dataloader

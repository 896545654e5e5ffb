# VMT, tiny, on your own data and a CPU, as rocovis_tiny_custom.py trains RoCoVIS.
_base_ = [
    '../_base_/models/vmt_tiny.py',
    '../_base_/tiny_custom.py',
    '../_base_/datasets/whole_videos.py',
]

model = dict(
    backbone=_base_.tiny_custom.backbone,
    track_head=dict(num_classes=_base_.num_classes),
    clip_augment=_base_.tiny_custom.clip_augment,
)

test_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='rocovis_mm.LoadVISFrame'),
            dict(type='rocovis_mm.AlignedResize', scale=_base_.test_size, keep_ratio=True),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
val_dataloader = dict(_base_.whole_videos, dataset=dict(whole_videos=True, pipeline=test_pipeline))
test_dataloader = val_dataloader

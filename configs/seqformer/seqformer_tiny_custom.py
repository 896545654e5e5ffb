# SeqFormer, tiny, on your own data and a CPU, as rocovis_tiny_custom.py trains RoCoVIS.
_base_ = ['../_base_/models/seqformer_tiny.py', '../_base_/tiny_custom.py']

model = dict(
    backbone=_base_.tiny_custom.backbone,
    track_head=dict(num_classes=_base_.num_classes),
    clip_augment=_base_.tiny_custom.clip_augment,
)

test_pipeline = [
    dict(type='TransformBroadcaster', transforms=_base_.test_pipeline[:-1]),
    _base_.test_pipeline[-1],
]
val_dataloader = dict(
    batch_size=1,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(whole_videos=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader

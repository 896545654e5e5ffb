# SeqFormer, ResNet-50, on your own data: set the lines on top of ../_base_/datasets/custom_vis.py,
# or give them as --cfg-options data_root=... train_ann=... val_ann=... classes="('a', 'b')".
_base_ = [
    '../_base_/models/seqformer_r50.py',
    '../_base_/datasets/custom_vis.py',
    '../_base_/schedules/schedule_seqformer.py',
    '../_base_/datasets/whole_videos.py',
]

load_from = None  # docs/peers/seqformer.md says which weights there are, and how to convert them

model = dict(track_head=dict(num_classes=_base_.num_classes))

test_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='rocovis_mm.LoadVISFrame'),
            dict(type='rocovis_mm.AlignedResize', scale=_base_.test_scale, keep_ratio=True),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
val_dataloader = dict(_base_.whole_videos, dataset=dict(whole_videos=True, pipeline=test_pipeline))
test_dataloader = val_dataloader

# VidEoMT on your own data; see models/videomt.py. It is tested and streamed, not trained.
_base_ = ['./models/videomt.py', './datasets/custom_vis.py', './default_runtime.py']

image_size = 640  # that of config.json of the weights

test_pipeline = [
    dict(type='rocovis_mm.LoadVISFrame'),
    dict(type='mmdet.Resize', scale=(image_size, image_size), keep_ratio=False),
    dict(type='rocovis_mm.PackVISInputs'),
]
train_dataloader = None
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# DVIS (online), Swin-L, OVIS, in the larger of the two published sizes.
_base_ = './dvis_swin-l_ovis.py'

train_dataloader = dict(dataset=dict(pipeline=_base_.clip_pipelines['ovis_720p']))

test_scale = (1333, 720)
test_resize = dict(_base_.test_resize, scale=test_scale)
test_pipeline = [_base_.load_frame, test_resize, _base_.pack]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

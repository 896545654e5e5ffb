# DVIS (online), Swin-L, YouTube-VIS 2019.
_base_ = ['./dvis_r50_youtube-vis-2019.py', '../_base_/models/swin_l.py']

model = _base_.swin_l
train_dataloader = dict(dataset=dict(pipeline=_base_.cropped_clip_pipelines['swin_l']))

test_scale = (1333, 480)  # as published for Swin-L
test_resize = dict(_base_.test_resize, scale=test_scale)
test_pipeline = [_base_.load_frame, test_resize, _base_.pack]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

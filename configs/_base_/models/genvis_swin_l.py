_base_ = ['./genvis_r50.py', './swin_l.py']

model = _base_.swin_l
model.track_head.object_decoder = dict(num_queries=200)

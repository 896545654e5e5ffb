_base_ = ['./ctvis_r50.py', './swin_l.py']

model = _base_.swin_l

_base_ = ['./genvis_r50.py', './swin_l.py']

model = _base_.swin_l  # 200 frame queries; the objects' stay 100, as published

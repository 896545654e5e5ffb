_base_ = ['../_base_/models/genvis_tiny.py', '../_base_/lite0_custom.py']

model = _base_.lite0_custom

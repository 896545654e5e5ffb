# MinVIS with EfficientNet-Lite0, on your own data and a CPU, as rocovis_lite0_custom.py trains RoCoVIS.
_base_ = ['../_base_/models/minvis_tiny.py', '../_base_/lite0_custom.py']

width = 64
num_queries = 16

model = _base_.lite0_custom

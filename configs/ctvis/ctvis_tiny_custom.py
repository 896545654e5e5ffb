# CTVIS, tiny, on your own data and a CPU, as rocovis_tiny_custom.py trains RoCoVIS.
_base_ = ['../_base_/models/ctvis_tiny.py', '../_base_/tiny_custom.py']

model = _base_.tiny_custom

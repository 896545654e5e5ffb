# DVIS, tiny, on your own data and a CPU, as rocovis_tiny_custom.py trains RoCoVIS. The detector
# learns too.
_base_ = ['../_base_/models/dvis_tiny.py', '../_base_/tiny_custom.py']

model = _base_.tiny_custom
custom_hooks = [*_base_.custom_hooks, dict(type='rocovis_mm.DetectionMatchingHook')]

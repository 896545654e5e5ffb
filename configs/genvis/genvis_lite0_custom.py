# GenVIS with EfficientNet-Lite0, on your own data and a CPU: see rocovis_lite0_custom.py.
_base_ = ['../_base_/models/genvis_tiny.py', '../_base_/lite0_custom.py']

lite0_objects = dict(num_queries=_base_.lite0_queries, **_base_.lite0_feed_forward)

model = dict(
    _base_.lite0_custom,
    track_head=dict(_base_.lite0_custom['track_head'], object_decoder=lite0_objects),
)

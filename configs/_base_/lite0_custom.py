# The part that the templates with EfficientNet-Lite0 share: tiny_custom.py with a pretrained
# backbone. A template merges `lite0_custom` into its model.
_base_ = './tiny_custom.py'

lite0_custom = dict(
    _base_.tiny_custom,
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3, channels_last=True),
    backbone=dict(
        _delete_=True,
        type='rocovis_mm.EfficientNetLite',
        variant='lite0',
        frozen_stages=2,
        norm_eval=True,
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))

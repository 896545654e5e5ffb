# The pure-Python form of configs/_base_/models/rocovis_tiny.py: RoCoVIS for a CPU.
from mmdet.models.backbones import ResNet
from mmdet.models.losses import CrossEntropyLoss, DiceLoss
from mmdet.models.task_modules import ClassificationCost, CrossEntropyLossCost, DiceCost

from rocovis_mm.models import (
    ClipLoss,
    MaskPropagationPixelDecoder,
    RoCoVIS,
    RoCoVISHead,
    UVLAPlusPlusAssigner,
    VISDataPreprocessor,
)

width = 48  # channels of queries and pixel decoder
base_channels = 16  # of ResNet-18; the published width is 64
num_points = 512

attention = dict(embed_dims=width, num_heads=4, dropout=0.0, batch_first=True)
feed_forward = dict(
    embed_dims=width,
    feedforward_channels=2 * width,
    num_fcs=2,
    ffn_drop=0.0,
    act_cfg=dict(type='ReLU', inplace=True),
)

model = dict(
    type=RoCoVIS,
    scale_output=True,
    data_preprocessor=dict(
        type=VISDataPreprocessor,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
        channels_last=True,
    ),
    backbone=dict(
        type=ResNet,
        depth=18,
        base_channels=base_channels,
        stem_channels=base_channels,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    ),
    track_head=dict(
        type=RoCoVISHead,
        memory_frames=2,
        scale_memory=True,
        num_classes=5,
        num_queries=12,
        feat_channels=width,
        out_channels=width,
        pixel_decoder=dict(
            type=MaskPropagationPixelDecoder,
            propagation_strides=(8, 16),
            propagation=dict(num_heads=4, prior=True, window=3, ages=True, start='full'),
            mask_pooling='max',
            num_outs=3,
            norm_cfg=dict(type='GN', num_groups=8),
            act_cfg=dict(type='ReLU'),
            encoder=dict(
                num_layers=1,
                layer_cfg=dict(
                    self_attn_cfg=dict(attention, num_levels=3, num_points=2),
                    ffn_cfg=feed_forward,
                ),
            ),
            positional_encoding=dict(num_feats=width // 2, normalize=True),
        ),
        positional_encoding=dict(num_feats=width // 2, normalize=True),
        transformer_decoder=dict(
            return_intermediate=True,
            num_layers=3,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=feed_forward),
            init_cfg=None,
        ),
        assigner=dict(
            type=UVLAPlusPlusAssigner,
            num_points=num_points,
            match_costs=[
                dict(type=ClassificationCost, weight=2.0),
                dict(type=CrossEntropyLossCost, weight=5.0, use_sigmoid=True),
                dict(type=DiceCost, weight=5.0, pred_act=True, eps=1.0),
            ],
        ),
        loss=dict(
            type=ClipLoss,
            supervise_initial=False,
            num_points=num_points,
            oversample_ratio=3.0,
            importance_sample_ratio=0.75,
            no_object_weight=0.1,
            loss_cls=dict(
                type=CrossEntropyLoss, use_sigmoid=False, loss_weight=2.0, reduction='mean'
            ),
            loss_mask=dict(
                type=CrossEntropyLoss, use_sigmoid=True, loss_weight=5.0, reduction='mean'
            ),
            loss_dice=dict(
                type=DiceLoss,
                use_sigmoid=True,
                activate=True,
                reduction='mean',
                naive_dice=True,
                eps=1.0,
                loss_weight=5.0,
            ),
        ),
    ),
    track_rule=dict(reduce='max', max_tracks=10, mask_scoring=True),
)

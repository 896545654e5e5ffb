"""MMDetection's own Mask2Former, shrunk as the tiny model is."""

from __future__ import annotations

from pathlib import Path

import mmdet
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from tiny_model import shake, shrink_backbone, shrink_head

CONFIGS = '.mim/configs/mask2former'


def mask2former_config(name: str = 'mask2former_r50_8xb2-lsj-50e_coco') -> Config:
    """Return MMDetection's config of a published COCO model; skips where it is missing."""
    path = Path(mmdet.__file__).parent / CONFIGS / f'{name}.py'
    if not path.is_file():
        pytest.skip(f'this mmdet carries no configs ({path} is missing)')
    config = Config.fromfile(path)
    config.model.data_preprocessor = None
    return config


def tiny_mask2former_config(
    num_classes: int = 5, num_queries: int = 6, layers: int = 2
) -> ConfigDict:
    """Return the shrunk config of MMDetection's detector."""
    config = mask2former_config().model
    shrink_backbone(config.backbone)
    head = config.panoptic_head
    shrink_head(head, layers)
    head.update(num_things_classes=num_classes, num_queries=num_queries)
    head.loss_cls.class_weight = [1.0] * num_classes + [0.1]
    config.panoptic_fusion_head.num_things_classes = num_classes
    return config


def tiny_mask2former(seed: int = 0, **sizes: int) -> torch.nn.Module:
    """Return MMDetection's detector with random weights, none of them at a special value."""
    config = tiny_mask2former_config(**sizes)
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope('mmdet'):  # a runner may have left another
        model = MODELS.build(config)
    shake(model)
    return model.eval()


def mask2former_logits(
    model: torch.nn.Module, images: torch.Tensor
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return every layer's class and mask logits of MMDetection's detector.

    Up to MMDetection 3.1 its head counts the images by their data samples.

    Args:
        model: the detector.
        images: (B, 3, H, W).
    """
    shape = tuple(images.shape[-2:])
    shapes = dict(img_shape=shape, ori_shape=shape, batch_input_shape=shape)
    samples = [DetDataSample(metainfo=shapes) for _ in images]
    return model.panoptic_head(model.extract_feat(images), samples)

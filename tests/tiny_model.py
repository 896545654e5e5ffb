"""Very small models and hand-made data samples for them.

A model is the full-size base config with every width made small, so that the tests
run what users run. G instances, T frames, H x W pixels.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config, ConfigDict
from mmengine.structures import InstanceData

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models import OnlineVISModel
from rocovis_mm.registry import MODELS
from rocovis_mm.utils.config_files import copied

BASES = Path(__file__).parents[1] / 'configs/_base_/models'
WIDTH = 32
HEADS = 4
BACKBONE_WIDTH = 8
BACKBONE_CHANNELS = tuple(BACKBONE_WIDTH * factor for factor in (1, 2, 4, 8))
SIZE = (64, 64)


def shrink_pixel_decoder(config: ConfigDict) -> None:
    """Make a pixel decoder config of Mask2Former small, in place."""
    config.norm_cfg = dict(type='GN', num_groups=8)
    config.encoder.num_layers = 1
    config.encoder.layer_cfg.self_attn_cfg.update(embed_dims=WIDTH, num_heads=HEADS)
    config.encoder.layer_cfg.ffn_cfg.update(embed_dims=WIDTH, feedforward_channels=48)
    config.positional_encoding.num_feats = WIDTH // 2


def shrink_head(config: ConfigDict, layers: int = 2) -> None:
    """Make a head config, of MMDetection's Mask2Former or ours, small, in place."""
    if 'in_channels' in config:
        config.in_channels = list(BACKBONE_CHANNELS)
    config.feat_channels = config.out_channels = WIDTH
    shrink_pixel_decoder(config.pixel_decoder)
    config.positional_encoding.num_feats = WIDTH // 2
    decoder = config.transformer_decoder
    decoder.num_layers = layers
    decoder.layer_cfg.self_attn_cfg.update(embed_dims=WIDTH, num_heads=HEADS)
    decoder.layer_cfg.cross_attn_cfg.update(embed_dims=WIDTH, num_heads=HEADS)
    decoder.layer_cfg.ffn_cfg.update(embed_dims=WIDTH, feedforward_channels=48)


def shrink_detr_head(config: ConfigDict) -> None:
    """Make the config of a head on top of Deformable DETR small, in place."""
    config.feat_channels = 2 * WIDTH  # a norm of 32 groups needs two numbers of a single pixel
    for part in (config.encoder, config.decoder):
        part.update(num_layers=1, num_heads=HEADS, num_points=2, feedforward_channels=48)


def shrink_backbone(config: ConfigDict) -> None:
    """Make a ResNet config small and its norms trainable, in place."""
    config.update(
        depth=18,
        base_channels=BACKBONE_WIDTH,
        stem_channels=BACKBONE_WIDTH,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=True,
        init_cfg=None,
    )


@functools.cache
def full_config(method: str) -> ConfigDict:
    return Config.fromfile(BASES / f'{method}_r50.py').model


def tiny_config(
    *,
    method: str = 'rocovis',
    num_classes: int = 5,
    num_queries: int = 6,
    layers: int = 2,
    assigner: str = 'rocovis_mm.UVLAPlusPlusAssigner',
    num_points: int = 256,
    supervise_initial: bool = True,
    track_rule: dict | None = None,
    place_octaves: int = 0,
    pixel_loss: bool = False,
    **options: object,
) -> ConfigDict:
    """Return the shrunk config of a method; `options` are its own."""
    config = copied(full_config(method))
    config.data_preprocessor = None
    config.track_rule.update(track_rule or {})
    shrink_backbone(config.backbone)
    head = config.track_head
    shrink_head(head, layers)
    head.update(num_classes=num_classes, num_queries=num_queries)
    head.assigner.update(type=assigner, num_points=num_points)
    head.loss.update(num_points=num_points, supervise_initial=supervise_initial)
    head.pixel_decoder.place_octaves = place_octaves
    if pixel_loss:
        head.pixel_loss = dict(type='rocovis_mm.PixelLoss')
    if method == 'rocovis':
        set_rocovis(config, **options)
    elif method == 'genvis':
        set_genvis(config, num_points, **options)
    elif method == 'dvis':
        set_dvis(config, num_points, **options)
    return config


def set_rocovis(
    config: ConfigDict,
    strides: tuple[int, ...] = (8, 16),
    start: str = 'full',
    prior: bool = True,
    window: int | None = 3,
    ages: bool = True,
    mask_pooling: str = 'max',
    soft_masks: bool = False,
    memory_frames: int = 2,
    detach_every: int | None = None,
    scale_output: bool = True,
    scale_memory: bool = True,
) -> None:
    """Set what RoCoVIS alone has, in place; the propagation starts away from zero."""
    config.scale_output = scale_output
    config.track_head.update(
        memory_frames=memory_frames, detach_every=detach_every, scale_memory=scale_memory
    )
    config.track_head.pixel_decoder.update(
        propagation_strides=strides,
        propagation=dict(num_heads=HEADS, start=start, prior=prior, window=window, ages=ages),
        mask_pooling=mask_pooling,
        soft_masks=soft_masks,
    )


def set_genvis(
    config: ConfigDict,
    num_points: int,
    memory_frames: int | None = None,
    frame_layers: int = 2,
    object_queries: int = 7,
    freeze_detector: bool = False,
) -> None:
    """Set what GenVIS alone has, in place."""
    config.freeze_detector = freeze_detector
    config.track_head.update(memory_frames=memory_frames, frame_layers=frame_layers)
    config.track_head.object_decoder.update(
        num_queries=object_queries,
        embed_dims=WIDTH,
        num_heads=HEADS,
        feedforward_channels=48,
        encoder_layers=1,
        decoder_layers=2,
    )
    config.track_head.object_assigner.num_points = num_points
    config.track_head.object_loss.num_points = num_points


def set_dvis(
    config: ConfigDict, num_points: int, freeze_detector: bool = True, published: bool = True
) -> None:
    """Set what DVIS alone has, in place."""
    config.freeze_detector = freeze_detector
    head = config.track_head
    head.published = published
    head.tracker.update(feedforward_channels=48, num_layers=2)
    head.object_assigner.num_points = num_points
    head.object_loss.num_points = num_points


def tiny_model(seed: int = 1, **options: object) -> OnlineVISModel:
    """Return a model with random weights, none of them at a special value."""
    torch.manual_seed(seed)
    model = MODELS.build(tiny_config(**options))
    shake(model, zero_kept=options.get('start') in ('zero', 'gate'))
    sharpen(model)
    return model.eval()


def shake(model: torch.nn.Module, zero_kept: bool = False) -> None:
    """Move every parameter off its initial value (zeros and ones hide mistakes)."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if zero_kept and 'propagation' in name:
                continue
            parameter.add_(torch.randn_like(parameter) * 0.05)


def sharpen(model: OnlineVISModel) -> None:
    """Make masks and classes of random weights decided, and queries different."""
    head = model.track_head
    decoders = [(head.query_decoder, head.query_decoder.transformer_decoder)]
    if hasattr(head, 'object_decoder'):
        decoders.append((head.object_decoder, head.object_decoder.decoder))
    with torch.no_grad():
        for queries, decoder in decoders:
            queries.query_embed.weight.mul_(3)
            for layer in decoder.layers:
                layer.ffn.layers[1].weight.mul_(4)
            queries.mask_embed[-1].weight.mul_(12)
            queries.cls_embed.weight.mul_(4)
        if hasattr(head, 'tracker'):
            head.tracker.mask_embed[-1].weight.mul_(12)
            head.tracker.cls_embed.weight.mul_(4)


def images(frames: int, size: tuple[int, int] = SIZE, seed: int = 0) -> torch.Tensor:
    """Return (T, 3, H, W) smooth random images: noise of low resolution, enlarged."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(frames, 3, size[0] // 8, size[1] // 8, generator=generator)
    return torch.nn.functional.interpolate(coarse, size, mode='bilinear') * 2


def box_tubes(presence: list[list[int]], size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return (G, T, H, W) bool: one moving box per instance where `presence` says 1."""
    tubes = np.zeros((len(presence), len(presence[0]) if presence else 1, *size), bool)
    for g, row in enumerate(presence):
        for t, there in enumerate(row):
            top, left = (9 * g + 3 * t) % (size[0] - 20), (17 * g + 5 * t) % (size[1] - 20)
            tubes[g, t, top : top + 18, left : left + 14] = bool(there)
    return tubes


def clip_sample(tubes: np.ndarray, labels: list[int], ids: list[int] | None = None):
    """Return a training sample; an instance is listed only where its mask is not empty."""
    size = tubes.shape[2:]
    ids = list(range(100, 100 + len(labels))) if ids is None else ids
    frames = []
    for t in range(tubes.shape[1]):
        there = [g for g in range(len(labels)) if tubes[g, t].any()]
        frame = DetDataSample(
            metainfo=dict(
                img_shape=size, ori_shape=size, batch_input_shape=size, frame_id=t, video_id=1
            )
        )
        frame.gt_instances = InstanceData(
            labels=torch.tensor([labels[g] for g in there], dtype=torch.long),
            masks=BitmapMasks(tubes[there, t].astype(np.uint8), *size),
            instances_ids=torch.tensor([ids[g] for g in there], dtype=torch.long),
        )
        frames.append(frame)
    sample = TrackDataSample()
    sample.video_data_samples = frames
    return sample


def stream_sample(
    video_id: int,
    frame_ids: list[int],
    length: int,
    size: tuple[int, int] = SIZE,
    img_shape: tuple[int, int] | None = None,
    ori_shape: tuple[int, int] | None = None,
):
    """Return a test sample of consecutive frames of one video."""
    sample = TrackDataSample()
    sample.video_data_samples = [
        DetDataSample(
            metainfo=dict(
                video_id=video_id,
                frame_id=frame_id,
                video_length=length,
                ori_video_length=length,
                batch_input_shape=size,
                img_shape=img_shape or size,
                ori_shape=ori_shape or img_shape or size,
            )
        )
        for frame_id in frame_ids
    ]
    return sample

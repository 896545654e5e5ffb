from __future__ import annotations

import numpy as np
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from rocovis_mm.registry import MODELS

MEAN, STD = (1.0, 2.0, 3.0), (2.0, 4.0, 8.0)


def build(**kwargs):
    settings = dict(mean=MEAN, std=STD, pad_size_divisor=16)
    return MODELS.build(dict(type='rocovis_mm.VISDataPreprocessor', **{**settings, **kwargs}))


def batch(*shapes, with_gt=True):
    """One clip of two frames for each shape; all pixels are B, G, R = 10, 20, 30."""
    clips, samples = [], []
    for height, width in shapes:
        color = torch.tensor((10, 20, 30), dtype=torch.uint8).view(1, 3, 1, 1)
        clips.append(color.expand(2, 3, height, width).clone())
        sample = TrackDataSample()
        frames = [DetDataSample(metainfo=dict(img_shape=(height, width))) for _ in range(2)]
        for number, frame in enumerate(frames if with_gt else []):
            masks = BitmapMasks(np.ones((number, height, width), np.uint8), height, width)
            labels = torch.zeros(number, dtype=torch.long)
            frame.gt_instances = InstanceData(masks=masks, labels=labels)
        sample.video_data_samples = frames
        samples.append(sample)
    return dict(inputs=dict(img=clips), data_samples=samples)


def test_training_pads_clips_and_masks_to_one_size():
    out = build()(batch((10, 33), (20, 17)), training=True)
    image = out['inputs']['img']
    assert image.shape == (2, 2, 3, 32, 48) and image.dtype == torch.float32
    # RGB: (30 - 1) / 2, (20 - 2) / 4, (10 - 3) / 8
    expected = torch.tensor((14.5, 4.5, 0.875)).view(3, 1, 1)
    for clip, (height, width) in zip(image, ((10, 33), (20, 17))):
        torch.testing.assert_close(clip[..., :height, :width], expected.expand(2, 3, height, width))
        assert clip[..., height:, :].eq(0).all() and clip[..., :, width:].eq(0).all()
    for sample, (height, width) in zip(out['data_samples'], ((10, 33), (20, 17))):
        empty, one = (frame.gt_instances.masks for frame in sample.video_data_samples)
        assert empty.masks.shape == (0, 32, 48)
        assert one.masks.shape == (1, 32, 48)
        assert one.masks.sum() == height * width == one.masks[0, :height, :width].sum()
        for frame in sample.video_data_samples:
            assert frame.metainfo['batch_input_shape'] == (32, 48)
            assert frame.metainfo['img_shape'] == (height, width)


def test_testing_never_pads_to_a_neighbours_size():
    data = batch((10, 33), (20, 17), with_gt=False)
    together = build()(data)
    assert [clip.shape for clip in together['inputs']['img']] == [(2, 3, 16, 48), (2, 3, 32, 32)]
    alone = build()(batch((20, 17), with_gt=False))
    torch.testing.assert_close(alone['inputs']['img'][0], together['inputs']['img'][1])
    shapes = [sample[0].metainfo['batch_input_shape'] for sample in together['data_samples']]
    assert shapes == [(16, 48), (32, 32)]


def test_settings():
    image = build(bgr_to_rgb=False, pad_size_divisor=1)(batch((5, 7)), training=True)['inputs'][
        'img'
    ]
    assert image.shape[-2:] == (5, 7)
    assert image[0, 0, :, 0, 0].tolist() == [4.5, 4.5, 3.375]
    assert 'mean' not in build().state_dict()


def test_images_alone():
    out = build()(dict(inputs=batch((5, 7))['inputs']))
    assert out['data_samples'] is None
    assert out['inputs']['img'][0].shape == (2, 3, 16, 16)

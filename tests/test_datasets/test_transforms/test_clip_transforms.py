"""Whole pipelines on a drawn pattern: images and masks stay together, frames stay alike."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks
from mmengine.registry import DefaultScope

from rocovis_mm.datasets import PackVISInputs, PanCrop

HEIGHT, WIDTH, FRAMES = 60, 90, 3
CELL = 15


def grid_masks():
    """One instance per cell of a 4 x 6 grid; id = 100 + number of the cell."""
    masks = np.zeros((24, HEIGHT, WIDTH), dtype=np.uint8)
    for number in range(24):
        row, column = divmod(number, 6)
        masks[number, row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = 1
    return masks


def grid_clip(frames=FRAMES):
    """Frames on which each cell's grey value is 10 times its number, with its mask."""
    masks = grid_masks()
    image = (masks * np.arange(24)[:, None, None] * 10).sum(0).astype(np.uint8)
    boxes = BitmapMasks(masks, HEIGHT, WIDTH).get_bboxes(HorizontalBoxes)
    return dict(
        img=[np.repeat(image[..., None], 3, 2) for _ in range(frames)],
        img_shape=[(HEIGHT, WIDTH)] * frames,
        ori_shape=[(HEIGHT, WIDTH)] * frames,
        gt_masks=[BitmapMasks(masks.copy(), HEIGHT, WIDTH) for _ in range(frames)],
        gt_bboxes=[boxes.clone() for _ in range(frames)],
        gt_bboxes_labels=[np.arange(24) % 5 for _ in range(frames)],
        gt_instances_ids=[np.arange(100, 124) for _ in range(frames)],
    )


def broadcast(*transforms):
    with DefaultScope.overwrite_default_scope('mmdet'):
        return Compose(
            [
                dict(
                    type='TransformBroadcaster',
                    share_random_params=True,
                    transforms=list(transforms),
                )
            ]
        )


RESIZE = dict(
    type='RandomChoiceResize',
    resize_type='rocovis_mm.AlignedResize',
    scales=[(60, 40), (117, 78), (135, 90), (71, 47)],
    keep_ratio=True,
)
STRETCH = dict(type='rocovis_mm.AlignedResize', scale=(80, 70), keep_ratio=False)
FLIP = dict(type='mmdet.RandomFlip', prob=[0.4, 0.4], direction=['horizontal', 'vertical'])
CROP = dict(
    type='mmdet.RandomCrop',
    crop_type='absolute_range',
    crop_size=(30, 50),
    allow_negative_crop=True,
    recompute_bbox=True,
)
CASES = dict(
    resize=[RESIZE],
    stretch=[STRETCH],
    flip=[FLIP],
    crop=[CROP],
    all=[RESIZE, FLIP, CROP, STRETCH],
)


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('seed', range(6))
def test_masks_stay_on_their_pixels_and_frames_stay_alike(case, seed):
    np.random.seed(seed)
    results = broadcast(*CASES[case])(grid_clip())
    assert misplaced(results, 0, reach=2 if case == 'all' else 1) == 0
    for key in ('img', 'gt_bboxes_labels', 'gt_instances_ids'):
        assert all(np.array_equal(value, results[key][0]) for value in results[key][1:]), key
    first, *others = results['gt_masks']
    assert all(np.array_equal(masks.masks, first.masks) for masks in others)


def misplaced(results, t, reach=1):
    """Return how many pixels are not in the mask of the cell whose grey value they show, alone.

    Those near a seam do not count, where the grey value changes within `reach` pixels.
    """
    image, masks = results['img'][t][..., 0], results['gt_masks'][t]
    assert (masks.height, masks.width) == image.shape == tuple(results['img_shape'][t])
    window = np.ones((2 * reach + 1,) * 2, dtype=np.uint8)
    flat = cv2.dilate(image, window) == cv2.erode(image, window)
    assert flat.mean() > 0.4
    expected = np.zeros(image.shape, dtype=int)
    identities, labels = results['gt_instances_ids'][t], results['gt_bboxes_labels'][t]
    assert labels.tolist() == ((identities - 100) % 5).tolist()
    for mask, identity in zip(masks.masks, identities):
        expected[mask > 0] = 10 * (identity - 100)
    return ((image != expected) | (masks.masks.sum(0) != 1))[flat].sum()


def test_masks_are_resized_about_pixel_centres():
    """A mask shrunk by an even and an odd factor keeps its centre; upstream's moves."""
    masks = np.zeros((1, HEIGHT, WIDTH), dtype=np.uint8)
    masks[0, 18:42, 27:63] = 1
    for scale in ((45, 30), (48, 32), (30, 20), (180, 120)):
        clip = grid_clip(1)
        clip['gt_masks'] = [BitmapMasks(masks, HEIGHT, WIDTH)]
        resize = dict(type='rocovis_mm.AlignedResize', scale=scale, keep_ratio=True)
        resized = broadcast(resize)(clip)['gt_masks'][0].masks[0]
        rows, columns = np.nonzero(resized)
        factor = scale[0] / WIDTH
        assert (rows.mean() + 0.5) / factor == pytest.approx(30, abs=0.01)
        assert (columns.mean() + 0.5) / factor == pytest.approx(45, abs=0.01)
        assert resized.sum() / factor**2 == pytest.approx(24 * 36, rel=0.12)


def test_color_jitter_is_one_map_for_the_clip():
    clip = grid_clip()
    clip['img'] = [np.random.default_rng(t).integers(0, 255, (8, 8, 3), np.uint8) for t in range(3)]
    clip['img'][2] = clip['img'][0].copy()
    jitter = broadcast(dict(type='rocovis_mm.ColorJitter'))
    outcomes = set()
    for seed in range(5):
        np.random.seed(seed)
        images = jitter(dict(clip))['img']
        np.testing.assert_array_equal(images[0], images[2])
        outcomes.add(images[0].tobytes())
        assert images[0].dtype == np.uint8
    assert len(outcomes) == 5


def test_random_parameters_are_shared_by_upstreams_distortion_too():
    np.random.seed(0)
    images = broadcast(dict(type='mmdet.PhotoMetricDistortion'))(grid_clip())['img']
    assert np.array_equal(images[0], images[2])


@pytest.mark.parametrize('seed', range(8))
def test_a_panning_crop_moves_and_keeps_ids(seed):
    np.random.seed(seed)
    clip = grid_clip(4)
    clip = PanCrop(size_range=(0.4, 0.6), prob=1.0)(clip)
    assert len({image.shape for image in clip['img']}) == 1
    for t in range(4):
        assert misplaced(clip, t) == 0
        assert (clip['gt_masks'][t].masks.any((1, 2))).all()
        boxes = clip['gt_masks'][t].get_bboxes(HorizontalBoxes).tensor
        torch.testing.assert_close(clip['gt_bboxes'][t].tensor, boxes)


def test_a_panning_crop_makes_events():
    seen = Counter()
    for seed in range(5):
        np.random.seed(seed)
        sample = PackVISInputs()(PanCrop(size_range=(0.4, 0.5), prob=1.0)(grid_clip(4)))
        seen.update(sample['data_samples'][0].metainfo['clip_events'])
    assert seen['births'] > 5 and seen['disappearances'] > 5


def test_a_crop_that_does_not_pan_is_the_same_in_all_frames():
    np.random.seed(0)
    clip = PanCrop(size_range=(0.4, 0.6), pan=0.0, prob=1.0)(grid_clip(3))
    np.testing.assert_array_equal(clip['img'][0], clip['img'][2])
    assert PanCrop(prob=0.0)(grid_clip(1))['img'][0].shape == (HEIGHT, WIDTH, 3)


def test_a_crop_in_pixels_is_as_large_as_the_frame_allows():
    sides = Counter()
    for seed in range(250):
        np.random.seed(seed)
        clip = PanCrop(pixel_range=(58, 70), prob=1.0)(grid_clip(2))
        height, width = clip['img'][0].shape[:2]
        sides.update([('height', height), ('width', width)])
        assert misplaced(clip, 1) == 0
    assert {side for name, side in sides if name == 'height'} == {58, 59, 60}
    widths = {side for name, side in sides if name == 'width'}
    assert widths <= set(range(58, 71)) and min(widths) < 61 and max(widths) > 67
    whole = PanCrop(pixel_range=(384, 600), prob=1.0)(grid_clip(1))
    assert whole['img'][0].shape == (HEIGHT, WIDTH, 3)


SENSELESS = [
    dict(size_range=(0, 1)),
    dict(pan=2),
    dict(prob=-1),
    dict(pixel_range=(0, 5)),
    dict(pixel_range=(9, 5)),
]


@pytest.mark.parametrize('settings', SENSELESS)
def test_senseless_settings(settings):
    with pytest.raises(ValueError, match='PanCrop'):
        PanCrop(**settings)

"""Pseudo-videos against drawn grids, turned polygons and windows worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from mmcv.transforms import Compose
from mmdet.structures.mask import BitmapMasks

from rocovis_mm.datasets.transforms import PseudoClip

HEIGHT, WIDTH = 120, 160
MEAN_BGR = (104, 116, 124)
SETTINGS = dict(
    num_frames=4,
    scales=[(320, 90), (320, 130)],
    crop_scales=[(400, 100), (400, 140)],
    crop_range=(70, 110),
    crop_prob=1.0,
)


@pytest.fixture(autouse=True)
def _seeded():
    np.random.seed(0)


def image_of(masks, pixels=None):
    """An image as the loading transforms leave it; the masks painted white on black."""
    if pixels is None:
        pixels = np.repeat((255 * masks.any(0)).astype(np.uint8)[..., None], 3, 2)
    number = len(masks)
    return dict(
        img=pixels,
        img_path='a.jpg',
        img_id=7,
        video_id=7,
        img_shape=pixels.shape[:2],
        ori_shape=pixels.shape[:2],
        gt_masks=BitmapMasks(masks, *pixels.shape[:2]),
        gt_bboxes_labels=np.arange(number) % 3,
        gt_instances_ids=np.arange(number) * 10 + 5,
    )


def polygon_masks(polygons):
    masks = np.zeros((len(polygons), HEIGHT, WIDTH), np.uint8)
    for mask, polygon in zip(masks, polygons):
        cv2.fillPoly(mask, [np.array(polygon, np.int32)], 1)
    return masks


SHAPES = polygon_masks(
    [
        [(5, 8), (40, 5), (60, 50), (20, 70)],
        [(100, 60), (150, 60), (150, 110), (100, 110)],
        [(70, 10), (110, 10), (90, 45)],
    ]
)


def inside(matrix, shape, margin=1.0):
    """Which pixels of a view look at the image, `margin` pixels from its border at least."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    points = np.linalg.inv(matrix) @ np.stack([columns, rows, np.ones(shape)]).reshape(3, -1)
    x, y = points[0].reshape(shape), points[1].reshape(shape)
    return (
        (x > margin) & (x < WIDTH - margin) & (y > margin) & (y < HEIGHT - margin),
        (x < -margin) | (x > WIDTH + margin) | (y < -margin) | (y > HEIGHT + margin),
    )


def test_masks_stay_on_what_they_cover():
    """The image shows its own masks: a view's masks are what is bright in it."""
    clip = PseudoClip(**{**SETTINGS, 'num_frames': 30, 'max_angle': 40})(image_of(SHAPES))
    for img, masks, matrix in zip(clip['img'], clip['gt_masks'], clip['homography_matrix']):
        seen, _ = inside(matrix, img.shape[:2])
        np.testing.assert_array_equal(masks.masks.any(0)[seen], img[..., 0][seen] >= 128)
        assert seen.any()


def test_points_of_a_grid_are_where_the_matrix_takes_them():
    """Dots drawn on a grid, found again by their centres of mass."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    dots = [(x, y) for y in range(20, HEIGHT - 10, 20) for x in range(20, WIDTH - 10, 20)]
    for x, y in dots:
        pixels[y - 3 : y + 3, x - 3 : x + 3] = 255  # its middle is the point (x, y)
    masks = np.zeros((len(dots), HEIGHT, WIDTH), np.uint8)
    for mask, (x, y) in zip(masks, dots):
        mask[y - 3 : y + 3, x - 3 : x + 3] = 1
    image = dict(image_of(masks, pixels))
    transform = PseudoClip(**{**SETTINGS, 'num_frames': 12}, mean=(0, 0, 0))
    checked = 0
    for img, found, ids, matrix in columns_of(transform(image)):
        for key, mask in zip(ids, found.masks):
            x, y, _ = matrix @ (*dots[(key - 5) // 10], 1)
            if not (9 < x < img.shape[1] - 9 and 9 < y < img.shape[0] - 9):
                continue
            window = np.s_[int(y) - 8 : int(y) + 9, int(x) - 8 : int(x) + 9]
            light = img[..., 0][window].astype(float)
            assert centre(light, window) == pytest.approx((x, y), abs=0.1)
            assert centre(mask.astype(float), np.s_[0:, 0:]) == pytest.approx((x, y), abs=0.35)
            checked += 1
    assert checked > 100


def columns_of(clip):
    names = ('img', 'gt_masks', 'gt_instances_ids', 'homography_matrix')
    return zip(*(clip[name] for name in names))


def centre(weights, window):
    """Centre of mass (x, y) of a window's weights, in points of the whole image."""
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]] + 0.5
    y, x = ((each * weights).sum() / weights.sum() for each in (rows, columns))
    return x + window[1].start, y + window[0].start


def test_masks_are_those_of_the_turned_polygon():
    polygon = np.array([(30.0, 20), (120, 30), (100, 90), (40, 100)])
    mask = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    fine = np.zeros((HEIGHT * 16, WIDTH * 16), np.uint8)
    cv2.fillPoly(fine, [np.round(polygon * 16).astype(np.int32)], 1)
    mask[0] = fine[8::16, 8::16]
    clip = PseudoClip(**{**SETTINGS, 'num_frames': 20})(image_of(mask))
    for img, masks, _, matrix in columns_of(clip):
        turned = np.c_[polygon, np.ones(4)] @ matrix[:2].T
        fine = np.zeros((img.shape[0] * 16, img.shape[1] * 16), np.uint8)
        cv2.fillPoly(fine, [np.round(turned * 16).astype(np.int32)], 1)
        expected = fine[8::16, 8::16].astype(bool)
        found = masks.masks.any(0)
        # one pixel of the view to either side, of the frame's border too
        outline = morph(cv2.MORPH_DILATE, expected)
        core = morph(cv2.MORPH_ERODE, expected)
        assert (found <= outline).all() and (core <= found).all()
        assert (found ^ expected).sum() < 0.25 * (outline ^ core).sum()


def morph(kind, mask):
    kernel = np.ones((3, 3), np.uint8)
    settings = dict(borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return cv2.morphologyEx(mask.view(np.uint8), kind, kernel, **settings).astype(bool)


def test_without_turning_and_cropping_it_is_a_resize():
    pixels = cv2.resize(np.random.randint(0, 255, (6, 8, 3), np.uint8), (WIDTH, HEIGHT))
    transform = PseudoClip(num_frames=2, scales=[(400, 90)], crop_prob=0, max_angle=0)
    clip = transform(image_of(SHAPES, pixels))
    expected = cv2.resize(pixels, (120, 90), interpolation=cv2.INTER_LINEAR)
    for img, masks in zip(clip['img'], clip['gt_masks']):
        assert np.abs(img.astype(int) - expected)[1:-1, 1:-1].max() <= 2
        for mask, source in zip(masks.masks, SHAPES):
            soft = cv2.resize(source * 255, (120, 90), interpolation=cv2.INTER_LINEAR)
            assert (mask != (soft >= 128)).mean() < 0.002


def test_outside_the_image_is_the_mean_and_no_mask():
    everywhere = np.ones((1, HEIGHT, WIDTH), np.uint8)
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    clip = PseudoClip(4, scales=[(320, 120)], crop_prob=0.0, max_angle=45)(
        image_of(everywhere, pixels)
    )
    for img, masks, _, matrix in columns_of(clip):
        seen, outside = inside(matrix, img.shape[:2])
        assert outside.sum() > 100
        assert (img[outside] == MEAN_BGR).all() and (img[seen] == 255).all()
        assert not masks.masks[0][outside].any() and masks.masks[0][seen].all()


def test_each_frame_is_drawn_anew_within_its_bounds():
    """Angle, size and place differ; the window lies in the image and keeps to `crop_range`."""
    transform = PseudoClip(**{**SETTINGS, 'crop_scales': [(400, 120)], 'num_frames': 6})
    angles, zooms, places = [], [], []
    for _ in range(30):
        shape, matrices = transform.draw_views((HEIGHT, WIDTH))
        assert min(shape) in (90, 130) or max(shape) == 320
        for matrix in matrices:
            angle = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
            assert abs(angle) <= 16  # the frame's rounding to pixels tilts it a little
            zoom = np.linalg.norm(matrix[:2, :2], axis=1)
            window = np.array(shape[::-1]) / zoom  # width, height; the image is not resized here
            assert window.max() <= 110.001 and window.min() >= 69.999
            middle = np.linalg.inv(matrix) @ (shape[1] / 2, shape[0] / 2, 1)
            assert (middle[:2] >= window / 2 - 1e-6).all()
            assert (middle[:2] <= (WIDTH, HEIGHT) - window / 2 + 1e-6).all()
            angles.append(angle)
            zooms.append(zoom[0])
            places.append(middle[:2])
    assert np.abs(angles).max() > 13 and np.std(angles) > 7
    per_clip = np.array(zooms).reshape(30, 6)
    assert (np.ptp(per_clip, axis=1) > 1e-3).mean() > 0.9
    spread = np.array(places).reshape(30, 6, 2)
    assert (np.ptp(spread, axis=1) > 1).mean() > 0.9


@pytest.mark.parametrize('crop_prob', [0.0, 1.0])
def test_a_smooth_clip_turns_one_way_and_moves_along_a_line(crop_prob):
    transform = PseudoClip(**{**SETTINGS, 'num_frames': 6, 'smooth': True, 'crop_prob': crop_prob})
    ways = set()
    for _ in range(20):
        shape, matrices = transform.draw_views((HEIGHT, WIDTH))
        angles = np.degrees([np.arctan2(m[1, 0], m[0, 0]) for m in matrices])
        steps = np.diff(angles)
        assert (steps > 0).all() or (steps < 0).all()
        ways.add(steps[0] > 0)
        middles = [np.linalg.inv(m) @ (shape[1] / 2, shape[0] / 2, 1) for m in matrices]
        moves = np.diff([middle[:2] for middle in middles], axis=0)
        assert np.allclose(np.cross(moves, moves.sum(0)), 0, atol=1e-6)
        assert (moves @ moves.sum(0) >= -1e-9).all()
        assert np.allclose(moves, 0, atol=1e-6) == (crop_prob == 0)
        sizes = [np.linalg.norm(m[:2, :2], axis=0) for m in matrices]
        assert np.ptp(np.linalg.norm(sizes, axis=1)) < 1e-6
    assert len(ways) == 2


def test_a_smooth_clip_without_movement_has_one_window_and_turns():
    transform = PseudoClip(**{**SETTINGS, 'num_frames': 6, 'smooth': True, 'pan': 0.0})
    places = []
    for _ in range(5):
        shape, matrices = transform.draw_views((HEIGHT, WIDTH))
        middles = [np.linalg.inv(m) @ (shape[1] / 2, shape[0] / 2, 1) for m in matrices]
        assert np.allclose(middles, middles[0])
        steps = np.diff([np.arctan2(m[1, 0], m[0, 0]) for m in matrices])
        assert (steps > 0).all() or (steps < 0).all()
        places.append(middles[0][:2])
    assert np.ptp(places, axis=0).min() > 1


@pytest.mark.parametrize('settings', [dict(pan=0.0), dict(pan=1.1, smooth=True)])
def test_a_movement_that_cannot_be_is_refused(settings):
    with pytest.raises(ValueError, match='pan='):
        PseudoClip(**SETTINGS, **settings)


def test_an_image_smaller_than_the_window():
    transform = PseudoClip(**{**SETTINGS, 'crop_range': (500, 600)})
    shape, matrices = transform.draw_views((HEIGHT, WIDTH))
    for matrix in matrices:
        window = np.array(shape[::-1]) / np.linalg.norm(matrix[:2, :2], axis=1)
        assert (window <= (WIDTH + 1e-6, HEIGHT + 1e-6)).all() and window.max() > 100


def test_a_share_of_the_clips_is_cropped():
    transform = PseudoClip(**{**SETTINGS, 'num_frames': 1, 'crop_prob': 0.3, 'max_angle': 0})
    whole = 0
    for _ in range(400):
        shape, (matrix,) = transform.draw_views((HEIGHT, WIDTH))
        corners = matrix @ ((0, WIDTH), (0, HEIGHT), (1, 1))
        whole += np.allclose(corners[:2, 1], shape[::-1]) and np.allclose(corners[:2, 0], 0)
    assert whole / 400 == pytest.approx(0.7, abs=0.07)


def pack(transform, image, flip=0.0):
    flip_clip = dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[dict(type='mmdet.RandomFlip', prob=flip)],
    )
    return Compose([transform, flip_clip, dict(type='rocovis_mm.PackVISInputs')])(image)


def test_ids_last_and_who_left_the_window_is_absent():
    left = returned = 0
    for _ in range(40):
        image = image_of(SHAPES)
        transform = PseudoClip(**SETTINGS)
        clip = transform(image)
        for img, masks, ids, matrix in columns_of(clip):
            assert len(masks) == len(ids) and masks.masks.any((1, 2)).all()
            for key, source in zip((5, 15, 25), SHAPES):
                rows, columns = np.nonzero(source)
                points = matrix @ np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
                x, y = points[:2]
                size = np.abs(matrix[:2, :2]).sum() / 2 + 1  # more than a pixel of the source
                near = (x > -size) & (x < img.shape[1] + size)
                near &= (y > -size) & (y < img.shape[0] + size)
                deep = (x > size) & (x < img.shape[1] - size)
                deep &= (y > size) & (y < img.shape[0] - size)
                assert key in ids or not deep.any()
                assert key not in ids or near.any()
        packed = pack(lambda results, clip=clip: clip, dict(image))
        frames = packed['data_samples'].video_data_samples
        present = np.array(
            [[key in frame.gt_instances.instances_ids for frame in frames] for key in (5, 15, 25)]
        )
        events = frames[0].metainfo['clip_events']
        assert events['disappearances'] == (present[:, :-1] & ~present[:, 1:]).sum()
        left += events['disappearances']
        returned += events['returns']
        for frame in frames:
            labels = dict(zip(frame.gt_instances.instances_ids.tolist(), frame.gt_instances.labels))
            assert all(label == (key - 5) // 10 for key, label in labels.items())
    assert left > 5 and returned > 1


def test_packed_as_a_video_is():
    packed = pack(PseudoClip(**SETTINGS), image_of(SHAPES), flip=1.0)
    frames = packed['data_samples'].video_data_samples
    assert packed['inputs']['img'].shape[:2] == (4, 3)
    assert [frame.frame_id for frame in frames] == [0, 1, 2, 3]
    for frame in frames:
        assert frame.video_length == frame.ori_video_length == 4
        assert (frame.img_id, frame.video_id, frame.img_path) == (7, 7, 'a.jpg')
        assert frame.ori_shape == (HEIGHT, WIDTH)
        assert tuple(packed['inputs']['img'].shape[-2:]) == frame.img_shape
        assert frame.flip and frame.gt_instances.masks.masks.shape[1:] == frame.img_shape


def test_the_clip_is_flipped_as_a_whole():
    flips = set()
    for _ in range(30):
        frames = pack(PseudoClip(**SETTINGS), image_of(SHAPES), 0.5)['data_samples']
        flips.add(tuple(frame.flip for frame in frames.video_data_samples))
    assert flips == {(True,) * 4, (False,) * 4}


def test_an_image_without_instances():
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number in (0, 2):  # the latter with masks that cover nothing
        empty = np.zeros((number, HEIGHT, WIDTH), np.uint8)
        packed = pack(PseudoClip(**SETTINGS), image_of(empty, pixels))
        assert [len(f.gt_instances) for f in packed['data_samples'].video_data_samples] == [0] * 4


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(num_frames=0), 'num_frames=0'),
        (dict(scales=[]), 'at least one frame and one scale'),
        (dict(crop_prob=1.5), 'crop_prob=1.5'),
        (dict(max_angle=-1), 'max_angle=-1'),
        (dict(crop_range=(600, 384)), r'pixel_range=\(600, 384\)'),
    ],
)
def test_bad_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        PseudoClip(**{**SETTINGS, **changes})

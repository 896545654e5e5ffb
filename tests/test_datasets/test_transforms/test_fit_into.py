"""Frames of any size brought to one size, beside MMDetection's resize and OpenCV's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rocovis_mm.datasets.transforms import AlignedResize, FitInto

IMAGE = np.random.default_rng(0).integers(0, 256, (72, 128, 3), dtype=np.uint8)


def fit(image: np.ndarray, **options: object) -> dict:
    return FitInto(**options)(dict(img=image, img_shape=image.shape[:2]))


@pytest.mark.parametrize(
    ('size', 'keep_ratio'), [((36, 64), True), ((72, 128), True), ((40, 40), False)]
)
def test_a_frame_that_fills_the_size_is_resized_as_by_the_test_pipeline(size, keep_ratio):
    resize = AlignedResize(scale=size[::-1], keep_ratio=keep_ratio)
    expected = resize(dict(img=IMAGE.copy(), img_shape=IMAGE.shape[:2]))
    found = fit(IMAGE, size=size, keep_ratio=keep_ratio)
    assert found['img_shape'] == expected['img_shape'][:2] == size
    assert np.array_equal(found['img'], expected['img'])


@pytest.mark.parametrize(
    ('size', 'inner'), [((64, 64), (36, 64)), ((36, 100), (36, 64)), ((200, 128), (72, 128))]
)
def test_the_rest_of_the_size_is_filled_on_the_right_or_below(size, inner):
    found = fit(IMAGE, size=size, fill=(1, 2, 3))
    height, width = inner
    expected = cv2.resize(IMAGE, (width, height), interpolation=cv2.INTER_LINEAR)
    assert found['img'].shape == (*size, 3) and found['img_shape'] == inner
    assert np.array_equal(found['img'][:height, :width], expected)
    rest = np.ones(size, bool)
    rest[:height, :width] = False
    assert rest.any() and (found['img'][rest] == (1, 2, 3)).all()


def test_a_frame_turned_by_90_degrees_and_a_thin_one_fit():
    assert fit(IMAGE.transpose(1, 0, 2), size=(36, 64))['img_shape'] == (36, 20)
    assert fit(IMAGE[:1], size=(36, 64))['img_shape'] == (1, 64)

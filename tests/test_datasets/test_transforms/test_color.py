from __future__ import annotations

import colorsys

import numpy as np
import pytest

from rocovis_mm.datasets import ColorJitter
from rocovis_mm.datasets.transforms.color import color_matrix

NEUTRAL = dict(brightness=0.0, contrast=1.0, saturation=1.0, hue=0.0, gains=np.ones(3))


def apply(bgr, **changes):
    matrix = color_matrix(**{**NEUTRAL, **changes})
    return matrix[:, :3] @ np.asarray(bgr, dtype=float) + matrix[:, 3]


def test_neutral_settings_change_nothing():
    assert color_matrix(**NEUTRAL) == pytest.approx(np.eye(3, 4), abs=1e-12)


def test_each_setting_does_what_it_says():
    assert apply((10, 20, 30), brightness=5) == pytest.approx((15, 25, 35))
    assert apply((127.5, 27.5, 227.5), contrast=0.5) == pytest.approx((127.5, 77.5, 177.5))
    assert apply((10, 20, 30), gains=np.array((1, 2, 3))) == pytest.approx((10, 40, 90))
    grey = 0.114 * 10 + 0.587 * 20 + 0.299 * 30
    assert apply((10, 20, 30), saturation=0) == pytest.approx((grey,) * 3)


@pytest.mark.parametrize('turn', [-30, 10, 40])
@pytest.mark.parametrize('hue', [0, 100, 200, 320])
def test_the_hue_turns_as_on_the_colour_wheel(hue, turn):
    red, green, blue = colorsys.hsv_to_rgb(hue / 360, 0.4, 0.7)
    turned = apply((blue, green, red), hue=turn)
    found = 360 * colorsys.rgb_to_hsv(*turned[::-1])[0]
    assert abs((found - hue - turn + 180) % 360 - 180) < 4  # the wheel is a hexagon, not a circle
    assert turned.sum() == pytest.approx(red + green + blue)


def test_prob():
    image = np.full((2, 2, 3), 77, dtype=np.uint8)
    assert ColorJitter(prob=0.0)(dict(img=image))['img'] is image
    with pytest.raises(ValueError, match='contrast'):
        ColorJitter(contrast=(1.2, 0.8))
    with pytest.raises(ValueError, match='prob'):
        ColorJitter(prob=1.5)

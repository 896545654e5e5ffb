"""Colour changes that are the same over a clip."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from rocovis_mm.registry import TRANSFORMS

LUMA = np.array((0.114, 0.587, 0.299))
"""Weights of blue, green and red in a pixel's grey value (ITU-R BT.601)."""


@TRANSFORMS.register_module()
class ColorJitter(BaseTransform):
    """Change brightness, contrast, saturation, hue and the channels' gains at random.

    MMDetection's ``PhotoMetricDistortion`` also swaps the channels of every other image (mmdet
    3.3.0, ``datasets/transforms/transforms.py:1196``). This cannot be switched off, and it hides
    the colour that distinguishes classes. Here all changes are one affine map of the colour space,
    which takes a fraction of the time.

    Inside ``TransformBroadcaster(share_random_params=True)`` all frames get the same map.

    Required and modified key: ``img`` (H, W, 3) BGR uint8.

    Args:
        brightness: largest shift up or down, for values up to 255.
        contrast: range of the factor about the middle grey.
        saturation: range of the factor about each pixel's grey value.
        hue: largest turn of the colour wheel, in degrees.
        channel_gain: range of the factor of each channel.
        prob: probability of any change.
    """

    def __init__(
        self,
        brightness: float = 32.0,
        contrast: tuple[float, float] = (0.7, 1.3),
        saturation: tuple[float, float] = (0.6, 1.4),
        hue: float = 12.0,
        channel_gain: tuple[float, float] = (0.9, 1.1),
        prob: float = 1.0,
    ) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'ColorJitter: prob is {prob}; give a number from 0 to 1')
        for name, (low, high) in dict(
            contrast=contrast, saturation=saturation, channel_gain=channel_gain
        ).items():
            if not 0 <= low <= high:
                raise ValueError(f'ColorJitter: {name} is {(low, high)}; give 0 <= low <= high')
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.channel_gain = channel_gain
        self.prob = prob

    @cache_randomness
    def draw_matrix(self) -> np.ndarray | None:
        """Draw the map (3, 4) of (blue, green, red, 1), or None for no change."""
        if np.random.rand() >= self.prob:
            return None
        return color_matrix(
            brightness=np.random.uniform(-self.brightness, self.brightness),
            contrast=np.random.uniform(*self.contrast),
            saturation=np.random.uniform(*self.saturation),
            hue=np.random.uniform(-self.hue, self.hue),
            gains=np.random.uniform(*self.channel_gain, 3),
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Apply the clip's map to a frame."""
        matrix = self.draw_matrix()
        if matrix is not None:
            results['img'] = cv2.transform(results['img'], matrix)  # rounds and saturates
        return results


def color_matrix(
    brightness: float, contrast: float, saturation: float, hue: float, gains: np.ndarray
) -> np.ndarray:
    """Return the affine map (3, 4) of BGR colours in 0..255.

    The hue turns about the grey axis; saturation scales the distance from it.

    Args:
        brightness: shift of all channels.
        contrast: factor about 127.5.
        saturation: factor about the pixel's grey value.
        hue: degrees, positive from red to green.
        gains: (3,) factors of blue, green and red.
    """
    grey = np.ones((3, 1)) * LUMA
    saturate = saturation * np.eye(3) + (1 - saturation) * grey
    turn = cv2.Rodrigues(np.full(3, -np.radians(hue) / np.sqrt(3)))[0]  # BGR: the other way round
    linear = contrast * np.diag(gains) @ saturate @ turn
    return np.column_stack((linear, np.full(3, brightness + 127.5 * (1 - contrast))))

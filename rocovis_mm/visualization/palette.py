"""One colour per identity, and one per part of AP."""

from __future__ import annotations

from functools import cache

import numpy as np

INK = (17, 20, 24)
PAPER = (255, 255, 255)
RING = 8
"""Hues of one ring. The hues of each further ring are between those before it."""
COLORS = 4 * RING
"""Colours that differ from each other."""

GAP_COLORS = {
    'AP': '#6cbb86',
    'lost to ranking': '#edc05a',
    'lost to linking': '#e08a4f',
    'lost to classes': '#a594d6',
    'lost to masks': '#9aa3af',
}
"""Colours of AP and of its losses (`quality_report.gap_segments`)."""


def identity_color(identity: int) -> tuple[int, int, int]:
    """Return the colour of an identity as (red, green, blue) in [0, 255].

    It depends on the number alone, so an identity keeps its colour for life. The
    first eight are 45 degrees apart in hue, neighbouring numbers at least 135. The
    next rings of eight fill the gaps, darker and lighter. Hue and lightness
    are those of OKLCH, where equal steps look equal. The colours repeat after `COLORS`
    identities.
    """
    return ring_color(int(identity) % COLORS)


@cache
def ring_color(number: int) -> tuple[int, int, int]:
    """Return the colour of a number below `COLORS`."""
    ring, place = divmod(number, RING)
    hue = 25 + 45 * (3 * place % RING) + (0, 22.5, 11.25, 33.75)[ring]
    lightness = (0.72, 0.60, 0.84, 0.66)[ring]
    return oklch_to_rgb(lightness, 0.19, hue)


def palette_bytes() -> bytes:
    """Return the palette of an 8-bit image of identities: 256 x (red, green, blue).

    Index 0 is the background, black; index i is identity i - 1.
    """
    colors = [(0, 0, 0), *(identity_color(identity) for identity in range(255))]
    return bytes(value for color in colors for value in color)


def oklch_to_rgb(lightness: float, chroma: float, hue: float) -> tuple[int, int, int]:
    """Convert a colour of OKLCH (hue in degrees) to sRGB, less vivid where sRGB ends.

    Matrices: B. Ottosson, "A perceptual color space for image processing", 2020.
    """
    angle = np.deg2rad(hue)
    while True:
        lab = np.array([lightness, chroma * np.cos(angle), chroma * np.sin(angle)])
        linear = FROM_CONES @ (TO_CONES @ lab) ** 3
        if chroma < 0.01 or (linear.min() >= -1e-3 and linear.max() <= 1 + 1e-3):
            break
        chroma -= 0.005
    linear = linear.clip(0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(round(255 * value)) for value in coded)
    return red, green, blue


TO_CONES = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
FROM_CONES = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)

"""Arrays of any kind become what OpenCV reads from a PNG of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rocovis_mm.apis import as_bgr

rng = np.random.default_rng(0)
KINDS = {
    'colour': rng.integers(0, 256, (5, 7, 3), dtype=np.uint8),
    'grey': rng.integers(0, 256, (5, 7), dtype=np.uint8),
    'grey with an axis': rng.integers(0, 256, (5, 7, 1), dtype=np.uint8),
    'transparent': rng.integers(0, 256, (5, 7, 4), dtype=np.uint8),
    '16-bit colour': rng.integers(0, 65536, (5, 7, 3), dtype=np.uint16),
    '16-bit grey': rng.integers(0, 65536, (5, 7), dtype=np.uint16),
}


@pytest.mark.parametrize('kind', KINDS)
def test_frames_become_what_opencv_reads_from_their_png(kind):
    frame = KINDS[kind]
    before = frame.copy()
    read = cv2.imdecode(cv2.imencode('.png', frame)[1], cv2.IMREAD_COLOR)
    for given in (frame, np.asfortranarray(frame)):
        found = as_bgr(given)
        assert found.dtype == np.uint8 and found.flags.c_contiguous
        assert np.array_equal(found, read)
    assert np.array_equal(frame, before)


@pytest.mark.parametrize(
    ('frame', 'message'),
    [
        (None, 'frame 3 is NoneType, not an image'),
        ([[1, 2]], 'frame 3 is list'),
        (np.zeros((0, 7, 3), np.uint8), r'frame 3 is empty, its shape is \(0, 7, 3\)'),
        (np.zeros((5, 7, 3)), 'frame 3 is of type float64; give uint8'),
        (np.zeros((5, 7, 3), bool), 'frame 3 is of type bool'),
        (np.zeros((5, 7, 2), np.uint8), r'frame 3 has shape \(5, 7, 2\)'),
        (np.zeros(5, np.uint8), r'frame 3 has shape \(5,\)'),
    ],
)
def test_what_is_no_frame_is_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        as_bgr(frame, 'frame 3')

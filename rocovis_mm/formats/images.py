"""Decoding images so that a damaged one is noticed."""

from __future__ import annotations

import cv2
import numpy as np

from rocovis_mm.formats.frame_files import may_hold_several, read_header, refuse_several

ENDS = {b'\xff\xd8': b'\xff\xd9', b'\x89PNG': b'IEND'}
"""How a JPEG and a PNG begin and what stands near their ends."""

TAIL = 4096
"""Bytes at the end of a file in which its end mark is looked for; cameras append to JPEGs."""


def decode_image(content: bytes) -> np.ndarray | None:
    """Decode an image to BGR uint8 (H, W, 3); None where it is not whole.

    It is turned as its EXIF data say. OpenCV fills what a truncated image lacks with grey and says
    nothing; of several frames it takes the first.

    Raises:
        ValueError: the file holds several frames or pages.
    """
    if not content:
        return None
    for start, end in ENDS.items():
        if content.startswith(start) and end not in content[-TAIL:]:
            return None
    if may_hold_several(content):
        try:
            frames = read_header(content).frames
        except (OSError, SyntaxError):
            return None
        refuse_several(frames)
    return cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)

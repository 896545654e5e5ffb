"""Decoding images and detecting damaged ones."""

from __future__ import annotations

import cv2
import numpy as np

from rocovis_mm.formats.frame_files import may_hold_several, read_header, refuse_several

ENDS = {b'\xff\xd8': b'\xff\xd9', b'\x89PNG': b'IEND'}
"""First bytes of a JPEG and a PNG, and the mark near their end."""

TAIL = 4096
"""Bytes at the end of a file that are searched for its mark, as cameras append to JPEGs."""


def decode_image(content: bytes) -> np.ndarray | None:
    """Decode an image to BGR uint8 (H, W, 3), or return None if it is not whole.

    The image is turned by its EXIF orientation. OpenCV itself fills the missing part of a truncated
    image with grey without an error, and takes the first of several frames.

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

"""Small pictures of frames, as text that a page can hold."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import cv2
import numpy as np

from rocovis_mm.visualization.compositions import write_line
from rocovis_mm.visualization.media import read_image
from rocovis_mm.visualization.overlay import draw_overlay, resize_mask
from rocovis_mm.visualization.track_report.contents import ReportTrack, ReportVideo
from rocovis_mm.visualization.video_results import mask_of

BLANK = 70
"""Grey value of a frame without an image."""


@dataclass
class Pictures:
    """Draws frames and counts the images that it cannot read.

    Attributes:
        width: of a picture in pixels, about.
        quality: of the JPEG, 1 to 95.
        missing: images that could not be read, so far.
    """

    width: int = 300
    quality: int = 72
    missing: int = 0

    def draw_frame(
        self, video: ReportVideo, frame: int, sides: Sequence[Sequence[ReportTrack]]
    ) -> list[str]:
        """Return pictures of one frame as data URIs, one for each side.

        Args:
            video: the frame's.
            frame: from 0.
            sides: tracks drawn on each picture, such as annotations and predictions.
        """
        image = self.read_frame(video, frame)
        return [self.encode(self.overlay(image, frame, tracks)) for tracks in sides]

    def read_frame(self, video: ReportVideo, frame: int) -> np.ndarray:
        """Return a frame no wider than a picture, or a grey one with a note if it is missing."""
        height, width = video.video.height, video.video.width
        share = min(1.0, self.width / width)
        size = (max(1, round(width * share)), max(1, round(height * share)))
        if frame < len(video.images):
            with suppress(ValueError):  # it is missing or damaged
                image = read_image(video.images[frame])
                return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        blank = np.full((size[1], size[0], 3), BLANK, dtype=np.uint8)
        if not video.images:
            return blank
        self.missing += 1
        return write_line(blank, (6, size[1] - 12), 'image missing', 12)

    def overlay(self, image: np.ndarray, frame: int, tracks: Sequence[ReportTrack]) -> np.ndarray:
        """Return the frame with its tracks drawn, about as wide as a picture."""
        size = image.shape[:2]
        masks = [resize_mask(mask_of(track.track.tube, frame), size) for track in tracks]
        masks = np.array(masks, dtype=bool).reshape(-1, *size)
        scale = max(1, round(self.width / size[1]))
        identities = [track.identity for track in tracks]
        return draw_overlay(image, masks, identities, [track.name for track in tracks], scale)

    def encode(self, image: np.ndarray) -> str:
        """Return an RGB picture as a JPEG in a data URI."""
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        _, code = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return 'data:image/jpeg;base64,' + base64.b64encode(code.tobytes()).decode()

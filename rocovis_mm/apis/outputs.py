"""Drawing and writing of a stream, in a thread beside the model."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rocovis_mm.apis.overlap import Background
from rocovis_mm.streaming.results import FrameResult
from rocovis_mm.visualization.live import IdentityImages, LiveOverlay
from rocovis_mm.visualization.media import open_writer
from rocovis_mm.visualization.shown import Shown

DEFAULT_FPS = 10.0
"""Pictures per second where the source states no rate."""


class Clock:
    """Counts the pictures of a video that are due by the clock.

    Args:
        fps: pictures per second.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self.start: float | None = None
        self.shown = 0

    def pictures(self) -> int:
        """Return how many to show now: one at least, and no more than ten seconds of them."""
        now = time.monotonic()
        self.start = now if self.start is None else self.start
        due = round((now - self.start) * self.fps) + 1 - self.shown
        due = min(max(1, due), round(10 * self.fps) + 1)
        self.shown += due
        return due


class Outputs:
    """Draws and writes frames in a ``with`` statement, which closes all files.

    Files are closed whole even after an error. The next :meth:`put`, or the end of the
    statement, raises the error of the thread.

    Args:
        classes: names by label.
        fps: pictures per second; None takes 10.
        out: ``.mp4``, ``.gif`` or a folder for the frames with their instances drawn.
        masks: folder for a PNG of identities for each frame.
        score_thr: instances below it are left out of both.
        draw: whether frames are drawn even without `out`, for :attr:`picture`.
        live: whether frames come in their own time: a video then shows each for as long
            as it lasted.

    Attributes:
        picture: the latest drawn frame, (H, W, 3) uint8, RGB; None before the first.
    """

    def __init__(
        self,
        classes: Sequence[str],
        fps: float | None = None,
        out: str | Path | None = None,
        masks: str | Path | None = None,
        score_thr: float = 0.3,
        draw: bool = False,
        live: bool = False,
    ) -> None:
        self.score_thr = score_thr
        self.shown = Shown(score_thr)
        self.place = out or masks
        self.picture: np.ndarray | None = None
        self.writer = None if out is None else open_writer(out, fps or DEFAULT_FPS)
        self.images = None if masks is None else IdentityImages(masks)
        self.overlay = None
        if draw or self.writer is not None:
            self.overlay = LiveOverlay(classes, score_thr, scale=None)  # small frames enlarged
        self.clock = Clock(fps or DEFAULT_FPS) if live and self.writer else None
        self.thread = Background(self.write)

    def put(self, frame: np.ndarray, result: FrameResult) -> None:
        """Add a frame (H, W, 3), BGR, and its result.

        Raises:
            OSError: an earlier one could not be written.
        """
        copies = 1 if self.clock is None else self.clock.pictures()
        self.thread.put((frame, result, copies))

    def write(self, item: tuple[np.ndarray, FrameResult, int]) -> None:
        """Draw and write one frame. The last number is its number of pictures in a video."""
        frame, result, copies = item
        self.shown.count(result.scores)
        if self.images is not None:
            sure = result.above(self.score_thr)
            self.images.write(sure.frame, sure.masks, sure.ids, sure.scores)
        if self.overlay is not None:
            picture = self.overlay.draw(
                cv2.cvtColor(frame, cv2.COLOR_BGR2RGB),
                result.masks,
                result.ids,
                result.labels,
                result.scores,
            )
            self.picture = picture
            if self.writer is not None:
                for _ in range(copies if self.writer.timed else 1):
                    self.writer.write(picture)

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *error: object) -> None:
        """Write the waiting frames and close the files; an error inside the statement has priority.

        Warns:
            UserWarning: no instance reached `score_thr`, so that the files show none.
        """
        try:
            try:
                self.thread.close()
            finally:
                if self.writer is not None:
                    self.writer.close()
        except Exception:
            if error[0] is None:
                raise
        complaint = self.shown.complaint(self.place, 'the score threshold (--score-thr)')
        if complaint and self.place and error[0] is None:
            warnings.warn(complaint)

"""A running stream in Rerun, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rocovis_mm.streaming.frames import as_bgr
from rocovis_mm.streaming.results import FrameResult
from rocovis_mm.visualization.overlay import instance_caption
from rocovis_mm.visualization.rerun_log import (
    SIDES,
    FrameInstances,
    RerunLog,
    close_recording,
    open_recording,
    send_layout,
    target_options,
)

PLACE = 'stream'


class RerunStream:
    """Logs each frame of a stream and its result as it comes.

    It is a callback of the inferencer (``inferencer(video, callback=log)``) and takes the results
    of pushes (``log(frame, stream.push(frame))``). Use it in a ``with`` statement, which closes
    the recording. It keeps nothing of past frames but the names of the curves.

    Args:
        target: an ``.rrd`` file, the address of a running viewer, or None for a new viewer.
        classes: names by label; a label without one is written as a number.
        fps: frames per second, for the timeline ``time``; None leaves the timeline out.
        score_threshold: instances below it are left out.

    Raises:
        ImportError: Rerun is not installed.
        ValueError: the target is impossible.
        OSError: the file cannot be written.
    """

    def __init__(
        self,
        target: str | Path | None = None,
        classes: Sequence[str] = (),
        fps: float | None = None,
        score_threshold: float = 0.3,
    ) -> None:
        self.classes = tuple(classes)
        self.score_threshold = score_threshold
        self.recording = open_recording(PLACE, **target_options(target))
        send_layout(self.recording, {PLACE: SIDES[:1]})
        self.log = RerunLog(self.recording, PLACE, fps)

    def __call__(self, frame: np.ndarray, result: FrameResult) -> None:
        """Log a frame, BGR, and its result. The frame is brought to the size of the masks.

        Raises:
            ValueError: it is no image, or an identity is too high for Rerun.
        """
        image = as_bgr(frame)
        size = result.masks.shape[1:]
        if image.shape[:2] != size:  # of a stream with on_size_change='resize'
            image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
        sure = result.above(self.score_threshold)
        names = [
            instance_caption(int(label), int(identity), None, self.classes)
            for label, identity in zip(sure.labels, sure.ids)
        ]
        found = FrameInstances(sure.ids, names, sure.masks, sure.scores)
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        self.log.add(result.frame, {SIDES[0]: found}, image)

    def __enter__(self) -> RerunStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Send or write all that waits."""
        close_recording(self.recording)

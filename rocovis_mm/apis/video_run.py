"""A run of a video through a model, frame by frame, with reading ahead."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rocovis_mm.apis.outputs import Outputs
from rocovis_mm.apis.overlap import Prefetch
from rocovis_mm.apis.sources import Source
from rocovis_mm.streaming.results import FrameResult, VideoResult
from rocovis_mm.streaming.session import StreamSession

LIVE_QUEUE = 2
FILE_QUEUE = 4


class VideoRun:
    """An iterator over the frames (H, W, 3), BGR uint8, and their results, for one pass.

    Use it in a ``with`` statement. A thread reads the video. Of a live source, frames that
    the model is too slow for are dropped, the oldest first, so that results are late by a
    few frames at most. After an error, and after :meth:`stop`, :meth:`finish` returns the
    tracks of the frames so far.

    Args:
        source: of the frames.
        session: the stream that takes the frames.
        outputs: draw and write each frame before it is returned, or None. The caller closes
            them, and may set them later.
    """

    def __init__(
        self, source: Source, session: StreamSession, outputs: Outputs | None = None
    ) -> None:
        self.source = source
        self.fps = source.fps
        self.session = session
        self.outputs = outputs
        self.reading: Prefetch | None = None
        self.stopping = False

    def __enter__(self) -> VideoRun:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[np.ndarray, FrameResult]]:
        if self.reading is not None:
            raise ValueError(f'{self.source.name}: was iterated over before; open it again')
        live = self.source.live
        frames = ((self.source.time, frame) for frame in self.source)
        self.reading = Prefetch(frames, LIVE_QUEUE if live else FILE_QUEUE, newest=live)
        if self.stopping:
            self.reading.stop()
        for time, frame in self.reading:
            if self.source.started is not None:
                self.session.started = self.source.started.isoformat(timespec='milliseconds')
            fitted = self.session.fit(frame, time)
            (result,) = self.session.engine.run([fitted])
            if self.outputs is not None:
                self.outputs.put(fitted.image, result)
            yield fitted.image, result

    @property
    def dropped(self) -> int:
        """Frames of a live source that the model was too slow for."""
        return 0 if self.reading is None else self.reading.dropped

    def stop(self) -> None:
        """End after the frame at work. It may be called from a signal or another thread."""
        self.stopping = True
        self.source.stop()
        if self.reading is not None:
            self.reading.stop()

    def finish(self) -> VideoResult:
        """Close the run and return the tracks of the frames so far."""
        self.close()
        return self.session.finish()

    def close(self) -> None:
        """Stop reading and close the source and the results file."""
        ended = True
        self.source.stop()
        if self.reading is not None:
            self.reading.close()
            ended = not self.reading.thread.is_alive()
        if ended:  # a device must not be closed under a thread that waits for it
            self.source.close()
        self.session.close()

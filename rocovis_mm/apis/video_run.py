"""A video on its way through a model, frame by frame; reading runs ahead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rocovis_mm.apis.overlap import Prefetch
from rocovis_mm.apis.sources import Source, Thinned, open_source
from rocovis_mm.streaming.results import FrameResult, VideoResult

if TYPE_CHECKING:
    from rocovis_mm.apis.inferencer import RoCoVISInferencer
    from rocovis_mm.models import OnlineVISModel

LIVE_QUEUE = 2
FILE_QUEUE = 4
LIVE_MEMORY = 100
"""Past frames that a model without a bound of its own remembers of a live source."""


class VideoRun:
    """Iterating gives each frame (H, W, 3), BGR uint8, with its result; once.

    To be used in a ``with`` statement. The video is read in a thread; of a live source,
    frames that the model is too slow for are dropped, the oldest first, so that what
    comes out is never late by more than a few frames. There, a model without a bound of
    its own remembers the last 100 frames, unless ``memory_frames`` says otherwise. After
    an error, and after :meth:`stop`, :meth:`finish` gives the tracks of the frames that
    went through.

    Args:
        inferencer: holds the model.
        video: anything :func:`open_source` takes.
        max_fps: frames closer together are left out; see :class:`Thinned`.
        reconnect: seconds for which a live source that is lost is connected to again; None
            ends there.
        **stream_options: of :class:`StreamSession`; `fps` also is the rate of a source that
            states none.

    Attributes:
        source: of the frames.
        session: the stream they go into.
        fps: of the source; None where it states none.
    """

    def __init__(
        self,
        inferencer: RoCoVISInferencer,
        video: Any,
        max_fps: float | None = None,
        reconnect: float | None = None,
        **stream_options: Any,
    ) -> None:
        self.source = open_source(video, reconnect)
        try:
            if self.source.fps is None:
                self.source.fps = stream_options.get('fps')
            if max_fps is not None:
                self.source = Thinned(self.source, max_fps)
            self.fps = self.source.fps
            options = {'fps': self.fps, **stream_options}
            if self.source.live and unbounded(inferencer.model):
                options.setdefault('memory_frames', LIVE_MEMORY)
            self.session = inferencer.stream(**options)
        except BaseException:
            self.source.close()
            raise
        self.reading: Prefetch | None = None
        self.stopping = False

    def __enter__(self) -> VideoRun:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[np.ndarray, FrameResult]]:
        if self.reading is not None:
            raise ValueError(f'{self.source.name}: has been gone through; open it again')
        live = self.source.live
        frames = timed(self.source)
        self.reading = Prefetch(frames, LIVE_QUEUE if live else FILE_QUEUE, newest=live)
        if self.stopping:
            self.reading.stop()
        for time, frame in self.reading:
            if self.source.started is not None:
                self.session.started = self.source.started.isoformat(timespec='milliseconds')
            frame = self.session.fit(frame)
            yield frame, self.session.push(frame, time)

    @property
    def dropped(self) -> int:
        """Frames of a live source that the model was too slow for."""
        return 0 if self.reading is None else self.reading.dropped

    def stop(self) -> None:
        """End after the frame at work; may be called from a signal or another thread."""
        self.stopping = True
        self.source.stop()
        if self.reading is not None:
            self.reading.stop()

    def finish(self) -> VideoResult:
        """Return the tracks of the frames so far; there are no more then."""
        self.close()
        return self.session.finish()

    def close(self) -> None:
        """Stop reading, let go of the source, and close the results file."""
        ended = True
        self.source.stop()
        if self.reading is not None:
            self.reading.close()
            ended = not self.reading.thread.is_alive()
        if ended:  # a device must not be closed under a thread that waits for it
            self.source.close()
        self.session.close()


def timed(source: Source) -> Iterator[tuple[float | None, np.ndarray]]:
    """Yield a source's frames, each with its time in seconds."""
    for frame in source:
        yield source.time, frame


def unbounded(model: OnlineVISModel) -> bool:
    """Whether a model remembers all of a stream (GenVIS as published)."""
    return getattr(model.track_head, 'memory_frames', 0) is None

"""One stream of frames on a model that others may use at the same time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from mmengine.dataset import Compose

from rocovis_mm.formats.boxes import boxes_of_masks
from rocovis_mm.streaming.engine import FrameOfVideo, StreamEngine
from rocovis_mm.streaming.frame_masks import FrameMasks
from rocovis_mm.streaming.frames import as_bgr
from rocovis_mm.streaming.results import FrameResult, VideoResult
from rocovis_mm.streaming.results_log import ResultsLog

SIZE_CHANGES = ('error', 'resize')
MANY_FRAMES = 500
"""Remembered frames of a stream at which its owner is warned."""


class FittedFrame(NamedTuple):
    """A :class:`NextFrame` of a stream, made by :meth:`StreamSession.fit`."""

    owner: StreamSession
    image: np.ndarray  # (H, W, 3) BGR uint8, of the stream's size
    time: float | None  # seconds

    def read(self) -> FrameOfVideo:
        """Return the frame as the stream's test pipeline and the model prepare it."""
        stream, size = self.owner, self.image.shape[:2]
        number, length = len(stream), len(stream) + 1
        item = dict(img=self.image, img_shape=size, ori_shape=size, height=size[0], width=size[1])
        item |= dict(img_path='', img_id=number, frame_id=number, video_id=stream.video_id)
        item |= dict(video_length=length, ori_video_length=length)
        return (*stream.engine.preprocess(stream.pipeline(item)), stream.video)

    def take(self, masks: FrameMasks) -> FrameResult:
        """Return the frame's result, and write it down."""
        return self.owner.take(self, masks)


class StreamSession:
    """A stream that takes frames one by one and returns the instances of each at once.

    :meth:`RoCoVISInferencer.stream` makes it. Use it in a ``with`` statement, which closes its
    file. Its size in memory does not grow with its length, except by the masks
    (``keep_masks``), and by the memory of a model that reads all of its past
    (GenVIS with ``memory_frames=None``).

    Args:
        engine: holds the model.
        pipeline: steps of the test pipeline after the one that loads a frame.
        classes: names by label.
        category_ids: json category ids by label.
        video_id: of the video in results.
        keep_masks: whether masks are held for :meth:`finish`; None: only where they do
            not go to `results_jsonl`.
        results_jsonl: new file to write every frame's masks to.
        release_after: frames of absence after which an identity's slot is given back;
            None never does. The slot's next identity has a number never used before
            and statistics of its own. Its query becomes the learned one, and its part of
            GenVIS' memory is zeroed. RoCoVIS' remembered pixels stay until they leave
            the memory. MinVIS carries nothing that could be given back. An associator forgets
            the identity.
        memory_frames: most past frames that the model remembers; None takes the number of
            its config, with which ``tools/test.py`` scores it.
        on_size_change: 'error', or 'resize' to bring frames to the size of the first.
        fps: of the stream, noted in `results_jsonl`.

    Raises:
        ValueError: an argument is impossible.
        FileExistsError: `results_jsonl` exists.
    """

    def __init__(
        self,
        engine: StreamEngine,
        pipeline: Sequence[dict],
        classes: tuple[str, ...],
        category_ids: tuple[int, ...],
        video_id: int = 1,
        keep_masks: bool | None = None,
        results_jsonl: str | Path | None = None,
        release_after: int | None = None,
        memory_frames: int | None = None,
        on_size_change: str = 'error',
        fps: float | None = None,
    ) -> None:
        if on_size_change not in SIZE_CHANGES:
            raise ValueError(f'on_size_change={on_size_change!r}: choose one of {SIZE_CHANGES}')
        self.engine = engine
        self.pipeline = Compose(pipeline)
        self.classes = classes
        self.category_ids = category_ids
        self.video_id = video_id
        self.on_size_change = on_size_change
        self.fps = fps
        self.size: tuple[int, int] | None = None  # height, width
        self.started: str | None = None  # when time 0 was, of a live source
        self.closed = False
        keep_masks = results_jsonl is None if keep_masks is None else keep_masks
        self.video = engine.begin(keep_masks, release_after, memory_frames)
        self.log = None if results_jsonl is None else ResultsLog(results_jsonl)

    def __enter__(self) -> StreamSession:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Return the number of frames so far."""
        return self.video.recorder.length

    def push(self, frame: np.ndarray, time: float | None = None) -> FrameResult:
        """Predict the next frame.

        Args:
            frame: (H, W, 3) BGR uint8, or anything :func:`as_bgr` takes.
            time: of the frame in seconds, for `results_jsonl`; None counts by `fps`, if that
                is known.

        Raises:
            ValueError: the frame is no image, or of another size than those before. The
                stream stays as it was and can continue.
            OSError: the results file cannot be extended.
        """
        return self.engine.run([self.fit(frame, time)])[0]

    def fit(
        self,
        frame: np.ndarray | None,
        time: float | None = None,
        first_size: tuple[int, int] | None = None,
    ) -> FittedFrame:
        """Return a frame as :meth:`StreamEngine.run` takes it: BGR uint8, of the stream's size.

        Args:
            frame: as :meth:`push` takes it.
            time: as :meth:`push` takes it.
            first_size: (height, width) of the stream's first frame, if that frame is not
                predicted yet.

        Raises:
            ValueError: see :meth:`push`.
        """
        if self.closed:
            raise ValueError('this stream is closed; open another with inferencer.stream()')
        name = f'frame {len(self)} of the stream'
        frame = as_bgr(frame, name)
        size, wanted = frame.shape[:2], self.size or first_size
        if wanted not in (None, size):
            if self.on_size_change == 'error':
                raise ValueError(
                    f'{name} is {size} (height, width) and the first one was {wanted}; open '
                    "another stream for it, or open this one with on_size_change='resize'"
                )
            smaller = size[0] * size[1] > wanted[0] * wanted[1]
            method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            frame = cv2.resize(frame, wanted[::-1], interpolation=method)
        return FittedFrame(self, frame, time)

    def take(self, frame: FittedFrame, masks: FrameMasks) -> FrameResult:
        """Return a frame's result, and write it to the file, after the video has advanced."""
        self.size = frame.image.shape[:2]
        if len(self.video.state.memory) == MANY_FRAMES + 1:
            warnings.warn(
                f'the model remembers all of this stream, by now more than {MANY_FRAMES} frames; '
                'its memory grows with each: open long streams with memory_frames=NUMBER'
            )
        found = self.video.recorder.snapshot(masks).instances()
        boxes = boxes_of_masks(found['masks'])
        result = FrameResult(len(self) - 1, found.pop('instances_id'), boxes=boxes, **found)
        if self.log is not None:
            self.write(result, frame.time)
        return result

    def write(self, result: FrameResult, time: float | None) -> None:
        """Write a frame's result to the file. A frame without a time counts by `fps`."""
        if result.frame == 0:
            names = (self.classes, self.category_ids)
            self.log.begin(self.video_id, self.size, self.fps, *names, self.started)
        if time is None and self.fps:
            time = result.frame / self.fps
        standing = self.video.recorder.standing()
        columns = (result.ids, result.labels, result.scores, result.boxes)
        self.log.add(
            result.frame,
            time,
            list(zip(*(column.tolist() for column in columns), result.encode())),
            [(track.identity, track.label, track.score) for track in standing],
        )

    def finish(self) -> VideoResult:
        """Close the stream and return the tracks of all its frames.

        It may be called again, and after an error. The tracks are those of the frames so far.
        """
        self.close()
        recorder = self.video.recorder
        standing = recorder.standing() if recorder.length else ()
        return VideoResult(
            length=recorder.length,
            standing=tuple(x for x in standing if x.score > 0),
            classes=self.classes,
            category_ids=self.category_ids,
            video=recorder.finish(self.video_id) if recorder.keep_masks else None,
            log=None if self.log is None else self.log.path,
        )

    def close(self) -> None:
        """Take no more frames and close the results file."""
        self.closed = True
        if self.log is not None:
            self.log.close()

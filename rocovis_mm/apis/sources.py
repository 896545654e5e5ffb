"""Sources of frames: files, folders, globs, lists, cameras, URLs and arrays."""

from __future__ import annotations

import glob
import math
import re
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rocovis_mm.formats.frame_files import IMAGE_ENDINGS, in_order, is_image, list_images
from rocovis_mm.formats.images import decode_image

LOST_SHARE = 0.02
"""Share of a video's stated frames that may be missing at its end. Headers are estimates."""
RETRY = 1.0
"""Seconds between attempts to connect to a live source again."""


class SourceLostError(ConnectionError):
    """A camera or live stream has stopped giving frames."""


class Source(ABC):
    """Frames in order, for one iteration.

    Attributes:
        name: used in messages.
        fps: frames per second, the mean where they vary; None where nothing states it.
        length: number of frames as the source states it; None where it states none.
        live: whether frames arrive in real time and without an end.
        time: seconds from the first frame to the latest one: as a file states them, or by the
            clock for a live source; None where nothing states them.
        started: when the first frame of a live source came, in UTC.
    """

    name = 'video'
    time: float | None = None
    started: datetime | None = None
    fps: float | None = None
    length: int | None = None
    live = False

    @abstractmethod
    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the frames.

        Raises:
            ValueError: there is none, or one is damaged.
            SourceLostError: a live source has stopped.
        """

    def keep_connected(self, seconds: float) -> None:
        """Connect again where the source is lost, for at most `seconds` at a time.

        Raises:
            ValueError: the source ends by itself, or the number is not above 0.
        """
        raise ValueError(
            f'{self.name}: ends by itself; reconnect={seconds} is for cameras and live streams'
        )

    def stop(self) -> None:  # noqa: B027
        """Give up connecting again. It may be called from any thread."""

    def close(self) -> None:  # noqa: B027
        """Close files and devices."""


class ImageFiles(Source):
    """A list of image files, each one frame.

    Args:
        paths: in order.
        name: of the folder or pattern they come from.
    """

    def __init__(self, paths: Iterable[Path], name: str) -> None:
        self.paths = list(paths)
        self.name = name
        self.length = len(self.paths)
        if not self.paths:
            raise ValueError(f'{name}: no image in it ({", ".join(IMAGE_ENDINGS)})')

    def __iter__(self) -> Iterator[np.ndarray]:
        for number, path in enumerate(self.paths):
            self.time = number / self.fps if self.fps else None
            content = path.read_bytes()
            try:
                image = decode_image(content)
            except ValueError as error:
                raise ValueError(f'{path}: {error}') from None
            if image is None:
                raise ValueError(
                    f'{path}: is not a whole image ({len(content)} bytes); copy or extract it again'
                )
            yield image


class Capture(Source):
    """A video file, camera or URL, as OpenCV opens it.

    Args:
        target: path, URL or number of the camera.
    """

    def __init__(self, target: str | int) -> None:
        self.target = target
        self.name = f'camera {target}' if isinstance(target, int) else str(target)
        self.capture = cv2.VideoCapture(target)
        if not self.capture.isOpened():
            self.capture.release()
            raise ValueError(
                f'{self.name}: OpenCV cannot open it; a file may be damaged or of a format this '
                'build does not read, a camera or URL may be in use or out of reach'
            )
        fps = self.capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if 0 < fps < 1000 else None  # 0, NaN, 1000: not known
        stated = self.capture.get(cv2.CAP_PROP_FRAME_COUNT)
        known = not isinstance(target, int) and 0 < stated < 1e9
        self.length = int(stated) if known else None
        is_url = '://' in self.name
        self.live = isinstance(target, int) or (is_url and not known)
        self.patience: float | None = None
        self.stopped = threading.Event()

    def keep_connected(self, seconds: float) -> None:
        """Connect again where the source is lost; see :class:`Source`."""
        if not self.live:
            super().keep_connected(seconds)
        if not seconds > 0:
            raise ValueError(f'reconnect={seconds}: give a number of seconds above 0')
        self.patience = seconds

    def __iter__(self) -> Iterator[np.ndarray]:
        number = 0
        start = now = lost = None
        while True:
            more, frame = self.capture.read()
            if more:
                now = time.monotonic() if self.live else self.stated_time(number, now)
                if start is None:
                    start = now
                    self.started = datetime.now(timezone.utc) if self.live else None
                self.time = None if now is None else now - start
                if lost is not None:
                    warnings.warn(
                        f'{self.name}: was lost after {number} frames and is connected again, '
                        f'after {now - lost:.1f} s'
                    )
                    lost = None
                yield frame
                number += 1
            elif self.patience is None:
                break
            else:
                pause, lost = (0, time.monotonic()) if lost is None else (RETRY, lost)
                if not self.connect(lost, pause):
                    break
        if not self.stopped.is_set():
            self.check_end(number)

    def stated_time(self, number: int, before: float | None) -> float | None:
        """Return when a file's frame is shown, in seconds.

        Args:
            number: of the frame.
            before: the time of the frame before it.

        Returns:
            its time stamp, or the time by the rate where stamps do not rise.
        """
        stamp = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if math.isfinite(stamp) and (before is None or stamp > before):
            return stamp
        return None if self.fps is None else number / self.fps

    def connect(self, lost: float, pause: float) -> bool:
        """Wait `pause` seconds and open a source again that was lost at a time of the clock.

        Returns:
            False once the time for that is over.
        """
        if self.stopped.wait(pause) or time.monotonic() - lost > self.patience:
            return False
        self.capture.release()
        self.capture = cv2.VideoCapture(self.target)
        return True

    def stop(self) -> None:
        """Give up connecting again. It may be called from any thread."""
        self.stopped.set()

    def check_end(self, number: int) -> None:
        """Check that the video ended where it should.

        Args:
            number: of frames that came.
        """
        if self.live:
            raise SourceLostError(
                f'{self.name}: stopped after {number} frames; check its cable or connection'
            )
        if number == 0:
            raise ValueError(f'{self.name}: holds no frame that OpenCV can read')
        if self.length is not None and number < (1 - LOST_SHARE) * self.length - 1:
            warnings.warn(
                f'{self.name}: ended after {number} of the {self.length} frames that it states; '
                'the file seems to be cut off or damaged there'
            )

    def close(self) -> None:
        """Close the file or device."""
        self.capture.release()


class Arrays(Source):
    """Frames from the caller's iterable.

    Args:
        frames: arrays (see :func:`rocovis_mm.apis.as_bgr`) or paths of image files.
    """

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self.frames = frames
        self.name = 'the frames given'
        self.length = len(frames) if hasattr(frames, '__len__') else None

    def __iter__(self) -> Iterator[np.ndarray]:
        number = 0
        for frame in self.frames:
            self.time = number / self.fps if self.fps else None
            if isinstance(frame, (str, Path)):
                yield from ImageFiles([Path(frame)], str(frame))
            else:
                yield frame
            number += 1
        if number == 0:
            raise ValueError(f'{self.name}: there is none')


class Thinned(Source):
    """Another source's frames, fewer of them.

    A file's frames are chosen by their number, those of a live source by when they come.

    Args:
        source: of the frames.
        max_fps: most frames per second that are kept.

    Raises:
        ValueError: the source states no frame rate.
    """

    def __init__(self, source: Source, max_fps: float) -> None:
        if not max_fps > 0:
            raise ValueError(f'max_fps={max_fps}: give a number of frames per second above 0')
        if not source.live and source.fps is None:
            raise ValueError(
                f'{source.name}: states no frames per second, so max_fps={max_fps} means '
                'nothing for it; leave max_fps out'
            )
        self.source = source
        self.max_fps = max_fps
        self.name, self.live = source.name, source.live
        self.fps = max_fps if source.fps is None else min(max_fps, source.fps)
        self.length = source.length
        if self.length is not None:
            self.length = sum(self.kept(number) for number in range(self.length))

    def kept(self, number: int) -> bool:
        """Whether a file's frame is kept: the first of each 1 / max_fps seconds."""
        share = self.fps / self.source.fps
        return number == 0 or int(number * share) > int((number - 1) * share)

    def __iter__(self) -> Iterator[np.ndarray]:
        period, due = 1 / self.max_fps, 0.0
        for number, frame in enumerate(self.source):
            self.time, self.started = self.source.time, self.source.started
            now = time.monotonic() if self.time is None else self.time
            if not self.live and self.kept(number):
                yield frame
            elif self.live and (number == 0 or now >= due):
                due = now + period if number == 0 else max(due + period, now + period / 2)
                yield frame

    def stop(self) -> None:
        """Give up connecting again. It may be called from any thread."""
        self.source.stop()

    def close(self) -> None:
        """Close the source."""
        self.source.close()


def open_source(video: Any, reconnect: float | None = None) -> Source:
    """Return the source of the frames of a video, of any kind.

    Args:
        video: a video or image file; a folder, glob or pattern (``frames/%05d.jpg``) of images,
            in natural order of their names; a list of image files, in its own order; the
            number of a camera; a URL; or an iterable of arrays.
        reconnect: seconds for which a live source that is lost is connected to again, or None.

    Raises:
        FileNotFoundError: there is no such file, folder or match.
        ValueError: it cannot be opened, is no video at all, or ends by itself (`reconnect`).
    """
    source = open_any(video)
    try:
        if reconnect is not None:
            source.keep_connected(reconnect)
    except ValueError:
        source.close()
        raise
    return source


def open_any(video: Any) -> Source:
    """Return the source of the frames of a video; see :func:`open_source`."""
    if isinstance(video, Source):
        return video
    if isinstance(video, (int, np.integer)) and not isinstance(video, bool):
        return Capture(int(video))
    if isinstance(video, (str, Path)):
        return open_path(str(video))
    if isinstance(video, Sequence) and video and all(isinstance(x, (str, Path)) for x in video):
        return open_paths([Path(x) for x in video], f'the list of {len(video)} paths')
    if isinstance(video, Iterable):
        return Arrays(video)
    raise ValueError(
        f'a video of type {type(video).__name__}; give a file, folder, glob, camera number, URL '
        'or an iterable of arrays'
    )


def open_path(text: str) -> Source:
    """Return the frames of a file, folder, glob, URL, or camera number written as text."""
    path = Path(text)
    if '://' in text:
        return Capture(text)
    if path.is_dir():
        return ImageFiles(list_images(path), text)
    if path.is_file():
        if is_image(path):
            return ImageFiles([path], text)
        if path.stat().st_size == 0:
            raise ValueError(f'{text}: the file is empty (0 bytes)')
        return Capture(text)
    if text.isdigit():
        return Capture(int(text))
    found = [Path(x) for x in glob.glob(text)] if glob.has_magic(text) else numbered(path)
    matches = in_order(path for path in found if path.is_file())
    if not matches:
        raise FileNotFoundError(f'{text}: no such file or folder, and no image matches it')
    return open_paths(matches, text)


def numbered(pattern: Path) -> list[Path]:
    """Return the files that match a pattern such as ``frames/%05d.jpg``."""
    digits = re.compile(r'%(?:0(\d+))?d')
    if not digits.search(pattern.name) or not pattern.parent.is_dir():
        return []
    name = digits.sub(lambda found: rf'\d{{{found[1] or 1},}}', re.escape(pattern.name))
    return [x for x in pattern.parent.iterdir() if re.fullmatch(name, x.name)]


def open_paths(paths: Sequence[Path], name: str) -> Source:
    """Return the frames of image files, in the order given, or of a single file.

    Args:
        paths: one at least.
        name: used in messages.

    Raises:
        FileNotFoundError: one of them is missing.
        ValueError: there are several, and one is no image file.
    """
    if len(paths) == 1:
        return open_path(str(paths[0]))
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f'{path}: no such file ({name})')
        if path.suffix.lower() not in IMAGE_ENDINGS:
            raise ValueError(
                f'{path}: is no image file ({name}); give several images, or a single video'
            )
    return ImageFiles(paths, name)

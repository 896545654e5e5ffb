"""Video files, picture by picture: H.264 by PyAV, MPEG-4 by OpenCV where PyAV cannot.

All pictures are (H, W, 3) uint8, RGB; H and W are even.
"""

from __future__ import annotations

import errno
import warnings
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

try:
    import av
except ImportError:  # no wheel for this platform
    av = None

H264 = ('libx264', 'libopenh264')
"""Encoders that PyAV's builds may hold, the better one first."""
VIDEO_ENDINGS = {'.mp4': 'mp4v', '.mov': 'mp4v', '.avi': 'MJPG'}
"""Endings of video files, lower case, with the OpenCV codec where there is no H.264."""
QUALITY = {'crf': '20', 'preset': 'veryfast', 'tune': 'zerolatency'}
"""Of libx264. Without latency nothing waits in the encoder when the disk gets full."""
BITS_PER_PIXEL = 0.15
"""Of libopenh264, which has no constant quality."""


class Encoder(Protocol):
    """Writes a video file."""

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture."""

    def close(self) -> None:
        """Write what is missing at the end."""


class AvEncoder:
    """H.264 in yuv420p; an mp4 has its index in front, so that it plays while it loads.

    Args:
        path: of the file.
        size: (width, height), both even.
        fps: pictures per second.
        codec: one of :data:`H264`.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float, codec: str) -> None:
        self.path = path
        rate = Fraction(fps).limit_denominator(1001)
        front = {} if path.suffix.lower() == '.avi' else {'movflags': '+faststart'}
        try:
            # with a protocol, a colon in the name is none
            self.container = av.open(f'file:{path}', 'w', container_options=front)
            options = QUALITY if codec == 'libx264' else {}
            self.stream = self.container.add_stream(codec, rate=rate, options=options)
        except av.error.FFmpegError as error:
            raise self.failure(error) from error
        self.stream.width, self.stream.height = size
        self.stream.pix_fmt = 'yuv420p'
        if codec != 'libx264':
            self.stream.bit_rate = max(200_000, int(BITS_PER_PIXEL * size[0] * size[1] * rate))
        context = self.stream.codec_context  # the matrix that to_yuv converts by
        context.colorspace, context.color_range = 6, 1  # SMPTE 170M, 16 to 235
        context.color_primaries, context.color_trc = 1, 1  # BT.709

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture.

        Raises:
            OSError: it cannot be written.
        """
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format='rgb24')
        frame = frame.reformat(format='yuv420p', dst_colorspace='ITU601', dst_color_range='MPEG')
        frame.pts = None
        self.mux(frame)

    def mux(self, frame: av.VideoFrame | None) -> None:
        """Encode a frame, or with None what is left, and write it."""
        try:
            self.container.mux(self.stream.encode(frame))
        except av.error.FFmpegError as error:
            raise self.failure(error) from error

    def close(self) -> None:
        """Write what is left and the index.

        Raises:
            OSError: there is no room for them.
        """
        try:
            self.mux(None)
        finally:
            try:
                self.container.close()
            except av.error.FFmpegError as error:
                raise self.failure(error) from error

    def failure(self, error: av.error.FFmpegError) -> OSError:
        """Return FFmpeg's error as Python's."""
        number = error.errno or errno.EIO
        return OSError(number, error.strerror or str(error), str(self.path))


class OpenCVEncoder:
    """What OpenCV's builds without H.264 can write: MPEG-4 part 2, or Motion JPEG in an avi.

    Args:
        path: of the file.
        size: (width, height).
        fps: pictures per second.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        codec = VIDEO_ENDINGS[path.suffix.lower()]
        self.video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
        if not self.video.isOpened():
            raise OSError(f'{path}: OpenCV cannot write a video ({codec}) there')

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture."""
        self.video.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Write the index."""
        self.video.release()


@cache
def h264_encoder() -> str | None:
    """Return the name of PyAV's H.264 encoder; None where it has none, or is not installed."""
    for name in H264 if av else ():
        try:
            av.Codec(name, 'w')
        except av.error.FFmpegError:
            continue
        except ValueError:  # how PyAV says that there is no such codec
            continue
        return name
    return None


def open_encoder(path: Path, size: tuple[int, int], fps: float) -> Encoder:
    """Return what writes a video file.

    Args:
        path: of the file; its ending is one of :data:`VIDEO_ENDINGS`.
        size: (width, height), both even.
        fps: pictures per second.

    Warns:
        UserWarning: there is no H.264 encoder, so browsers will not play the file.

    Raises:
        OSError: the file cannot be written.
    """
    codec = h264_encoder()
    if codec is not None:
        return AvEncoder(path, size, fps, codec)
    warnings.warn(
        f'{path}: is written as {VIDEO_ENDINGS[path.suffix.lower()]} by OpenCV, which browsers do '
        'not play: there is no H.264 encoder here; install it by: pip install av'
    )
    return OpenCVEncoder(path, size, fps)


def count_pictures(path: Path) -> int:
    """Return how many pictures a video file says that it holds; 0 where it cannot be read."""
    capture = cv2.VideoCapture(str(path))
    try:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    finally:
        capture.release()

"""Pictures to video files, gifs and folders, frame by frame; whole whenever it ends.

All pictures are (H, W, 3) uint8, RGB.
"""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from rocovis_mm.apis.room import check_room
from rocovis_mm.evaluation.functional.files import whole_file

INDEX_BYTES = 64
"""Bytes of an mp4's index for each frame, written when it is closed; generous."""
GIF_TRAILER = b'\x3b'
GIF_ENDLESS = b'\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00'


class PictureWriter(ABC):
    """Takes pictures in order.

    Args:
        path: of the file or folder; missing folders above it are made.
        fps: pictures per second.

    Attributes:
        timed: whether pictures are shown at `fps`.
    """

    timed = True

    def __init__(self, path: str | Path, fps: float) -> None:
        self.path = Path(path)
        self.fps = fps
        self.path.parent.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def write(self, picture: np.ndarray) -> None:
        """Write the next picture.

        Raises:
            OSError: there is no room for it; those before are kept.
        """

    def close(self) -> None:  # noqa: B027
        """End the file, so that it is whole."""


class Mp4Writer(PictureWriter):
    """An mp4 video (MPEG-4), by OpenCV.

    An mp4 can be read only once its index is written, at its end: until then it is
    called ``<name>.part.mp4``, and it is closed while there is still room to do so.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        super().__init__(path, fps)
        self.part = self.path.with_name(f'{self.path.stem}.part{self.path.suffix}')
        self.video = cv2.VideoWriter()
        self.size: tuple[int, int] | None = None
        self.written = 0

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture, all of one size."""
        size = (picture.shape[1], picture.shape[0])
        check_room(self.part, needed=INDEX_BYTES * self.written)
        if self.size is None:
            self.size = size
            if not self.video.open(str(self.part), cv2.VideoWriter_fourcc(*'mp4v'), self.fps, size):
                raise OSError(f'{self.path}: OpenCV cannot write an mp4 (mp4v) there')
        if size != self.size:
            raise ValueError(
                f'{self.path}: a picture of {size} (width, height) after ones of {self.size}; a '
                'video has one size'
            )
        self.video.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        self.written += 1

    def close(self) -> None:
        """Write the index, look whether all pictures are there, and give the file its name."""
        if not self.video.isOpened():
            return
        self.video.release()
        check = cv2.VideoCapture(str(self.part))
        there = int(check.get(cv2.CAP_PROP_FRAME_COUNT)) if check.isOpened() else 0
        check.release()
        if there < self.written:
            raise OSError(
                f'{self.part}: holds {there} of {self.written} pictures; the disk may be full'
            )
        os.replace(self.part, self.path)


class GifWriter(PictureWriter):
    """An endless gif; whole after every picture, and only one of them is in memory."""

    def __init__(self, path: str | Path, fps: float) -> None:
        super().__init__(path, fps)
        self.file: io.FileIO | None = None
        self.written = 0
        self.size = (0, 0)

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture over the end mark, and the mark after it."""
        head, body = gif_parts(picture, self.delay())
        if self.file is None:
            self.file = self.path.open('wb', buffering=0)
            body = head + body
        self.append(body + GIF_TRAILER)
        self.written += 1

    def delay(self) -> int:
        """Return how long the next picture stays, in hundredths of a second, 2 at least."""
        shown = [round(100 * n / self.fps) for n in (self.written, self.written + 1)]
        return max(2, shown[1] - shown[0])

    def append(self, content: bytes) -> None:
        """Write at the end mark; where not all goes in, put the mark back."""
        start = max(0, self.file.tell() - len(GIF_TRAILER))
        self.file.seek(start)
        try:
            write_all(self.file, content)
        except OSError:
            self.file.truncate(start)
            self.file.seek(start)
            if start:
                write_all(self.file, GIF_TRAILER)
            raise

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()


class FolderWriter(PictureWriter):
    """A folder of ``<frame number>.jpg``; a picture appears when it is whole."""

    timed = False

    def __init__(self, path: str | Path, fps: float) -> None:
        super().__init__(path, fps)
        self.path.mkdir(exist_ok=True)
        self.written = 0

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture."""
        with whole_file(self.path / f'{self.written:05d}.jpg') as file:
            Image.fromarray(picture).save(file, format='JPEG', quality=92)
        self.written += 1


def open_writer(path: str | Path, fps: float) -> PictureWriter:
    """Return what writes to a path: its ending chooses mp4 or gif; without one, a folder.

    Raises:
        ValueError: another ending.
    """
    suffix = Path(path).suffix.lower()
    kinds = {'.mp4': Mp4Writer, '.gif': GifWriter, '': FolderWriter}
    if suffix not in kinds and not Path(path).is_dir():
        raise ValueError(f'{path}: the ending is .mp4, .gif, or none for a folder of pictures')
    return kinds.get(suffix, FolderWriter)(path, fps)


def write_all(file: io.FileIO, content: bytes) -> None:
    """Write all of `content` to an unbuffered file; a full disk may take a part of it first."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def gif_parts(picture: np.ndarray, delay: int) -> tuple[bytes, bytes]:
    """Return the head of a gif, and one picture of it with its own colours.

    Pillow's file of a single picture is taken apart: header, screen and colours,
    extensions, image, end mark (GIF89a specification, sections 17 to 27).

    Args:
        picture: (H, W, 3) uint8, RGB.
        delay: hundredths of a second it is shown for.
    """
    buffer = io.BytesIO()
    image = Image.fromarray(picture).quantize(
        255, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    image.save(buffer, format='GIF', optimize=False, interlace=0)
    data = buffer.getvalue()
    colors = data[10] & 0x07  # of 2 ** (colors + 1) entries
    table = data[13 : 13 + 3 * 2 ** (colors + 1)]
    place = 13 + len(table)
    while data[place] == 0x21:  # an extension: label, then blocks that state their lengths
        place += 2
        while data[place]:
            place += data[place] + 1
        place += 1
    descriptor = data[place : place + 9] + bytes([0x80 | colors])  # with its own colours
    control = b'\x21\xf9\x04\x00' + delay.to_bytes(2, 'little') + b'\x00\x00'
    screen = data[6:10] + b'\x70\x00\x00'  # width, height; no colours of the whole
    body = control + descriptor + table + data[place + 10 : -1]
    return b'GIF89a' + screen + GIF_ENDLESS, body

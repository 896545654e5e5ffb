"""Reading frames, writing pictures, videos and gifs; the only writers of all three.

All arrays are (H, W, 3) uint8, RGB. Files are whole whenever their writing ends.
"""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import GifImagePlugin, Image, ImageOps

from rocovis_mm.formats.disk_space import check_room, write_all
from rocovis_mm.formats.frame_files import count_frames, refuse_several
from rocovis_mm.formats.json_files import whole_file
from rocovis_mm.visualization.encoders import VIDEO_ENDINGS, Encoder, count_pictures, open_encoder

PICTURE_ENDINGS = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
"""Of the pictures that a folder of frames is written as; lower case."""
INDEX_BYTES = 64
"""Bytes of a video's index for each frame, written when it is closed; generous."""
GIF_TRAILER = b'\x3b'
GIF_ENDLESS = b'\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00'


def read_image(path: str | Path) -> np.ndarray:
    """Return an image as (H, W, 3) uint8, turned as its EXIF data say (as OpenCV does).

    Raises:
        ValueError: it cannot be read, or holds several frames or pages.
    """
    try:
        with Image.open(path) as picture:
            refuse_several(count_frames(picture))
            return np.asarray(ImageOps.exif_transpose(picture).convert('RGB'))
    except OSError as error:
        raise ValueError(f'{path}: no readable image ({error}); check the image folder') from None
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def write_image(path: str | Path, image: np.ndarray) -> Path:
    """Write an (H, W, 3) uint8 image; the name's ending chooses the format."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, quality=92)
    return path


def write_mp4(path: str | Path, frames: Iterable[np.ndarray], fps: float = 8.0) -> Path:
    """Write frames of one size as a video; one by one, so they may be made as they go.

    Where `frames` raises, the video holds what came before.

    Args:
        path: of the file, .mp4, .mov or .avi; missing folders are made.
        frames: (H, W, 3) uint8 each.
        fps: frames per second.

    Raises:
        ValueError: there are no frames, or they are of several sizes.
        OSError: the file cannot be written.
    """
    writer = VideoWriter(path, fps)
    try:
        for frame in frames:
            writer.write(frame)
        if not writer.written:
            raise ValueError(f'{path}: no frames to write')
    finally:
        writer.close()
    return Path(path)


def write_gif(path: str | Path, frames: Sequence[np.ndarray], fps: float = 8.0) -> Path:
    """Write frames as an endless gif; one palette for all, so that colours do not flicker.

    Args:
        path: of the file; missing folders are made.
        frames: (H, W, 3) uint8 each.
        fps: frames per second.
    """
    if not len(frames):
        raise ValueError(f'{path}: no frames to write')
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sample = np.concatenate([frame[::2, ::2] for frame in frames[:: max(1, len(frames) // 6)]])
    palette = Image.fromarray(sample).quantize(255, Image.Quantize.MEDIANCUT)
    pictures = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    ]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=round(1000 / fps), loop=0
    )
    return path


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
        self.written = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def write(self, picture: np.ndarray) -> None:
        """Write the next picture.

        Raises:
            OSError: there is no room for it; those before are kept.
        """

    def close(self) -> None:  # noqa: B027
        """End the file, so that it is whole."""


class VideoWriter(PictureWriter):
    """A video: H.264 where PyAV has an encoder for it, which browsers play.

    Its width and height are even: an odd one grows by a pixel, a copy of the last column or row.

    A video can be read only once its index is written, at its end: until then it is
    called ``<name>.part<ending>``, and it is closed while there is still room to do so.

    Args:
        path: of the file, .mp4, .mov or .avi; missing folders above it are made.
        fps: pictures per second.

    Raises:
        ValueError: another ending.
    """

    def __init__(self, path: str | Path, fps: float) -> None:
        if Path(path).suffix.lower() not in VIDEO_ENDINGS:
            raise ValueError(f'{path}: the ending of a video is {", ".join(VIDEO_ENDINGS)}')
        super().__init__(path, fps)
        self.part = self.path.with_name(f'{self.path.stem}.part{self.path.suffix}')
        self.encoder: Encoder | None = None
        self.size: tuple[int, int] | None = None

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture, all of one size.

        Raises:
            ValueError: it has another size than those before.
            OSError: there is no room for it; those before are kept.
        """
        size = (picture.shape[1], picture.shape[0])
        check_room(self.part, needed=INDEX_BYTES * self.written)
        if self.encoder is None:
            self.size = size
            even = (size[0] + size[0] % 2, size[1] + size[1] % 2)
            self.encoder = open_encoder(self.part, even, self.fps)
        if size != self.size:
            raise ValueError(
                f'{self.path}: a picture of {size} (width, height) after ones of {self.size}; a '
                'video has one size'
            )
        odd = ((0, size[1] % 2), (0, size[0] % 2), (0, 0))
        self.encoder.write(np.pad(picture, odd, mode='edge'))
        self.written += 1

    def close(self) -> None:
        """Write the index, look whether all pictures are there, and give the file its name."""
        if self.encoder is None:
            return
        encoder, self.encoder = self.encoder, None
        encoder.close()
        there = count_pictures(self.part)
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

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture over the end mark, and the mark after it."""
        content = gif_picture(picture, self.delay()) + GIF_TRAILER
        if self.file is None:
            self.file = self.path.open('wb', buffering=0)
            content = gif_head(picture) + content
        self.append(content)
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
    """A folder of pictures; each appears when it is whole.

    Args:
        path: of the folder, for ``<frame number>.jpg``; or a pattern such as
            ``folder/%04d.png``, whose ending chooses the format.
        fps: not used.
    """

    timed = False

    def __init__(self, path: str | Path, fps: float) -> None:
        pattern = Path(path) if is_picture_pattern(path) else Path(path, '%05d.jpg')
        super().__init__(pattern, fps)

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture."""
        path = self.path.with_name(self.path.name % self.written)
        kind = Image.registered_extensions()[path.suffix.lower()]
        with whole_file(path) as file:
            Image.fromarray(picture).save(file, format=kind, quality=92)
        self.written += 1


def is_picture_pattern(path: str | Path) -> bool:
    """Whether a path names pictures by their numbers, as ``folder/%05d.png`` does."""
    if Path(path).suffix.lower() not in PICTURE_ENDINGS:
        return False
    try:
        return Path(path).name % 0 != Path(path).name % 1
    except (TypeError, ValueError):
        return False


def open_writer(path: str | Path, fps: float) -> PictureWriter:
    """Return what writes to a path; its ending chooses a video, a gif, or a folder of pictures.

    Args:
        path: .mp4, .mov, .avi, .gif, a folder, or a pattern such as ``folder/%05d.png``.
        fps: pictures per second.

    Raises:
        ValueError: another ending.
    """
    return writer_class(path)(path, fps)


def writer_class(path: str | Path) -> type[PictureWriter]:
    """Return the class that writes to a path.

    Raises:
        ValueError: the path has an ending that nothing here writes.
    """
    suffix = Path(path).suffix.lower()
    if suffix == '' or Path(path).is_dir() or is_picture_pattern(path):
        return FolderWriter
    if suffix == '.gif':
        return GifWriter
    if suffix in VIDEO_ENDINGS:
        return VideoWriter
    raise ValueError(
        f'{path}: the ending is .mp4, .mov, .avi, .gif, or none for a folder of pictures (or give '
        'a pattern such as folder/%05d.png)'
    )


def gif_head(picture: np.ndarray) -> bytes:
    """Return the head of an endless gif (GIF89a) without colours of its own."""
    height, width = picture.shape[:2]
    size = width.to_bytes(2, 'little') + height.to_bytes(2, 'little')
    return b'GIF89a' + size + b'\x70\x00\x00' + GIF_ENDLESS


def gif_picture(picture: np.ndarray, delay: int) -> bytes:
    """Return one picture of a gif with its own colours.

    Args:
        picture: (H, W, 3) uint8, RGB.
        delay: hundredths of a second it is shown for.
    """
    image = Image.fromarray(picture).quantize(
        255, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    return b''.join(GifImagePlugin.getdata(image, duration=10 * delay, include_color_table=True))

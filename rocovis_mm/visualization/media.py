"""Readers of frames, and the only writers of pictures, videos and gifs.

All arrays are (H, W, 3) uint8, RGB. Files are whole whenever their writing ends.
"""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageOps

from rocovis_mm.formats.disk_space import check_room
from rocovis_mm.formats.frame_files import count_frames, refuse_several
from rocovis_mm.formats.whole_files import whole_file

PICTURE_ENDINGS = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
"""Of the pictures that a folder of frames is written as; lower case."""
INDEX_BYTES = 64
"""Bytes of a video's index for each frame, written when it is closed; generous."""
H264 = ('libx264', 'libopenh264')
"""Encoders that PyAV's builds may hold, the better one first."""
QUALITY = {'crf': '20', 'preset': 'veryfast', 'tune': 'zerolatency'}
"""Of libx264. Without latency nothing waits in the encoder when the disk gets full."""
BITS_PER_PIXEL = 0.15
"""Of the other encoders, which have no constant quality."""
GIF_COLORS = 255
"""Of a palette. One more entry is for pixels that stay as they are."""
GIF_FPS = 50
"""Of a gif at most. Players show faster ones slowly."""


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


def write_image(path: str | Path, image: np.ndarray | Image.Image) -> Path:
    """Write an image; the name's ending chooses the format. The file appears when it is whole.

    Args:
        path: of the file; missing folders are made.
        image: (H, W, 3) uint8, or one of Pillow's of any mode.

    Raises:
        ValueError: no format has this ending.
        OSError: the file cannot be written; none of it is left.
    """
    path = Path(path)
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise ValueError(f'{path}: no format of pictures has this ending')
    with whole_file(path) as file:
        image.save(file, format=kind, quality=92)
    return path


def write_mp4(path: str | Path, frames: Iterable[np.ndarray], fps: float = 8.0) -> Path:
    """Write frames (H, W, 3) of one size as a video, one by one.

    Where `frames` raises, the video has the frames before. For the path and errors see
    :class:`VideoWriter`; ValueError also is raised where there are no frames.
    """
    return write_all_frames(VideoWriter(path, fps), frames)


def write_gif(path: str | Path, frames: Sequence[np.ndarray], fps: float = 8.0) -> Path:
    """Write frames (H, W, 3) of one size as an endless gif.

    One palette for all frames keeps colours steady. For errors see :func:`write_mp4`.
    """
    if not len(frames):
        raise ValueError(f'{path}: no frames to write')
    sample = np.concatenate([frame[::2, ::2] for frame in frames[:: max(1, len(frames) // 6)]])
    palette = Image.fromarray(sample).quantize(GIF_COLORS, Image.Quantize.MEDIANCUT)
    return write_all_frames(GifWriter(path, fps, palette), frames)


def write_all_frames(writer: VideoWriter, frames: Iterable[np.ndarray]) -> Path:
    """Write frames and close the writer, also where `frames` raises."""
    try:
        for frame in frames:
            writer.write(frame)
        if not writer.written:
            raise ValueError(f'{writer.path}: no frames to write')
    finally:
        writer.close()
    return writer.path


class VideoWriter:
    """A video in yuv420p: H.264 where PyAV has an encoder for it, which browsers play.

    An mp4 has its index in front, so that it plays while it loads. Width and height are even:
    an odd one grows by a pixel, a copy of the last column or row.

    A video can be read only once its index is written, at its end: until then it is
    called ``<name>.part<ending>``, and it is closed while there is still room to do so.

    Args:
        path: of the file, .mp4, .mov or .avi; missing folders above it are made.
        fps: pictures per second.

    Attributes:
        endings: of the files that it writes.
        timed: whether pictures are shown at `fps`.

    Raises:
        ValueError: another ending.
    """

    endings = ('.mp4', '.mov', '.avi')
    timed = True

    def __init__(self, path: str | Path, fps: float) -> None:
        if Path(path).suffix.lower() not in self.endings:
            raise ValueError(f'{path}: the ending of a video is {", ".join(self.endings)}')
        self.path, self.written = Path(path), 0
        # 1001 for 30000/1001 and the like; MPEG-4 part 2 has 16 bits for the numerator
        self.rate = Fraction(fps).limit_denominator(min(1001, max(1, int(65535 / fps))))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.part = self.path.with_name(f'{self.path.stem}.part{self.path.suffix}')
        self.container: av.container.OutputContainer | None = None
        self.size: tuple[int, int] | None = None

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture, all of one size.

        Raises:
            ValueError: it has another size than those before.
            OSError: there is no room for it; those before are kept.
        """
        size = (picture.shape[1], picture.shape[0])
        check_room(self.part, needed=INDEX_BYTES * self.written + picture.nbytes)
        if self.container is None:
            self.size = size
            self.open()
        if size != self.size:
            raise ValueError(
                f'{self.path}: a picture of {size} (width, height) after ones of {self.size}; a '
                'video has one size'
            )
        with self.failures():
            frame = self.encodable(picture)
            frame.pts, frame.time_base = self.written, 1 / self.rate
            self.container.mux(self.stream.encode(frame))
        self.written += 1

    def open(self) -> None:
        """Open the file for pictures of :attr:`size`.

        Raises:
            OSError: the file cannot be written.
        """
        codec = h264_encoder() or 'mpeg4'
        if codec == 'mpeg4':
            warnings.warn(
                f'{self.path}: is written as MPEG-4 part 2, which browsers do not play: this build '
                'of PyAV has no H.264 encoder; install one that has it by: pip install av'
            )
        front = {} if self.part.suffix.lower() == '.avi' else {'movflags': '+faststart'}
        self.add_stream(codec, front, QUALITY if codec == 'libx264' else {})
        self.stream.pix_fmt = 'yuv420p'
        self.stream.width, self.stream.height = (side + side % 2 for side in self.size)
        context = self.stream.codec_context
        if codec != 'libx264':
            bits = BITS_PER_PIXEL * context.width * context.height * self.rate
            context.bit_rate = max(200_000, int(bits))
        # The matrix that encodable() converts by: SMPTE 170M, 16 to 235; colours of BT.709.
        context.colorspace, context.color_range = 6, 1
        context.color_primaries, context.color_trc = 1, 1

    def add_stream(self, codec: str, file_options: dict, options: dict) -> None:
        """Open the file and its one stream."""
        with self.failures():
            # with a protocol, a colon in the name is none
            self.container = av.open(f'file:{self.part}', 'w', container_options=file_options)
            self.stream = self.container.add_stream(codec, rate=self.rate, options=options)

    def encodable(self, picture: np.ndarray) -> av.VideoFrame:
        """Return a picture as the encoder takes it."""
        odd = ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0))
        even = np.ascontiguousarray(np.pad(picture, odd, mode='edge'))
        frame = av.VideoFrame.from_ndarray(even, format='rgb24')
        return frame.reformat(format='yuv420p', dst_colorspace='ITU601', dst_color_range='MPEG')

    def close(self) -> None:
        """Write the last pictures and the index, and give the file its name.

        Raises:
            OSError: there is no room for them; the file keeps its other name.
        """
        if self.container is None:
            return
        container, self.container = self.container, None
        with self.failures():
            try:
                container.mux(self.stream.encode(None))
            finally:
                container.close()
        os.replace(self.part, self.path)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Raise FFmpeg's errors as Python's."""
        try:
            yield
        except av.error.FFmpegError as error:
            number = error.errno or errno.EIO
            raise OSError(number, error.strerror or str(error), str(self.part)) from error


class GifWriter(VideoWriter):
    """An endless gif; only two of its pictures are in memory.

    While it is written, ``<name>.part.gif`` can be read up to the picture before the last one.

    Args:
        path: of the file; missing folders above it are made.
        fps: pictures per second; above 50 they are shown at 50.
        palette: whose colours all pictures have; None gives each its own.
    """

    endings = ('.gif',)

    def __init__(self, path: str | Path, fps: float, palette: Image.Image | None = None) -> None:
        super().__init__(path, min(fps, GIF_FPS))
        self.palette = palette

    def open(self) -> None:
        """Open the file."""
        # FFmpeg compares pictures by their indices, which mean nothing under changing palettes.
        compare = 'transdiff+offsetting' if self.palette else '0'
        self.add_stream('gif', {'flush_packets': '1'}, {'gifflags': compare})
        self.stream.pix_fmt, (self.stream.width, self.stream.height) = 'pal8', self.size

    def encodable(self, picture: np.ndarray) -> av.VideoFrame:
        """Return a picture in 255 colours."""
        method = dict(method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        indexed = Image.fromarray(picture).quantize(GIF_COLORS, palette=self.palette, **method)
        colors = np.array(indexed.getpalette(), np.uint8).reshape(-1, 3)[:GIF_COLORS]
        argb = np.zeros((256, 4), np.uint8)
        argb[: len(colors)] = np.insert(colors, 0, 255, axis=1)
        return av.VideoFrame.from_ndarray((np.asarray(indexed), argb), format='pal8')


class FolderWriter:
    """A folder of pictures; each appears when it is whole.

    Args:
        path: of the folder, for ``<frame number>.jpg``; or a pattern such as
            ``folder/%04d.png``, whose ending chooses the format.
        fps: not used.
    """

    timed = False

    def __init__(self, path: str | Path, fps: float) -> None:
        self.path = Path(path) if is_picture_pattern(path) else Path(path, '%05d.jpg')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.written = 0

    def write(self, picture: np.ndarray) -> None:
        """Write the next picture.

        Raises:
            OSError: there is no room for it; those before are kept.
        """
        write_image(self.path.with_name(self.path.name % self.written), picture)
        self.written += 1

    def close(self) -> None:
        """Do nothing. All pictures are whole."""


@cache
def h264_encoder() -> str | None:
    """Return the name of PyAV's H.264 encoder, or None where this build has none."""
    return next((name for name in H264 if name in av.codecs_available), None)


def is_picture_pattern(path: str | Path) -> bool:
    """Whether a path names pictures by their numbers, as ``folder/%05d.png`` does."""
    if Path(path).suffix.lower() not in PICTURE_ENDINGS:
        return False
    try:
        return Path(path).name % 0 != Path(path).name % 1
    except (TypeError, ValueError):
        return False


def open_writer(path: str | Path, fps: float) -> VideoWriter | FolderWriter:
    """Return the writer of a path, with `fps` pictures per second; see :func:`writer_class`."""
    return writer_class(path)(path, fps)


def writer_class(path: str | Path) -> type[VideoWriter | FolderWriter]:
    """Return the class that writes a video, a gif or a folder of pictures to a path.

    Args:
        path: .mp4, .mov, .avi, .gif, a folder, or a pattern such as ``folder/%05d.png``.

    Raises:
        ValueError: another ending.
    """
    suffix = Path(path).suffix.lower()
    if suffix == '' or Path(path).is_dir() or is_picture_pattern(path):
        return FolderWriter
    for kind in (VideoWriter, GifWriter):
        if suffix in kind.endings:
            return kind
    raise ValueError(
        f'{path}: the ending is .mp4, .mov, .avi, .gif, or none for a folder of pictures (or give '
        'a pattern such as folder/%05d.png)'
    )

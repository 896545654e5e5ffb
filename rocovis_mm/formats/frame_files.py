"""Frames as files: the images in a folder, their order and their sizes.

All tools and data sets follow these rules, so that a folder is the same sequence everywhere.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

IMAGE_ENDINGS = ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
"""Endings, in lower case, of the files in a folder that are frames."""

LEFTOVERS = frozenset(('thumbs.db', 'desktop.ini', '__macosx', '@eadir'))
"""Names, in lower case, of files and folders that operating systems leave beside images."""

SEVERAL_FRAMES = ('GIF', 'PNG', 'TIFF', 'WEBP')
"""Pillow's names of formats with several frames per file; those of an MPO are previews."""

MAX_UNTURNED = 4  # EXIF orientations from 5 on exchange height and width


def is_passed_over(path: str | Path) -> bool:
    """Return whether a file or folder is hidden (``.DS_Store``, ``._0.jpg``) or of the system."""
    name = Path(path).name
    return name.startswith('.') or name.lower() in LEFTOVERS


def natural_order(path: str | Path) -> tuple[list[list[Any]], str]:
    """Return a sort key that puts frame_2 before frame_10, folder by folder."""
    parts = [re.split(r'(\d+)', part) for part in Path(path).parts]
    keys = [[int(x) if odd % 2 else x for odd, x in enumerate(part)] for part in parts]
    return keys, str(path)  # the text decides the order of 1 and 01


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Return the paths that are not passed over, in natural order."""
    return sorted((path for path in paths if not is_passed_over(path)), key=natural_order)


def list_images(folder: str | Path) -> list[Path]:
    """Return the images of a folder, recognised by their endings, in natural order."""
    return [path for path in in_order(Path(folder).iterdir()) if is_image(path)]


def list_folders(folder: str | Path) -> list[Path]:
    """Return the folders in a folder in natural order."""
    return [path for path in in_order(Path(folder).iterdir()) if path.is_dir()]


def is_image(path: Path) -> bool:
    """Return whether a file has the ending of an image."""
    return path.suffix.lower() in IMAGE_ENDINGS and not path.is_dir()


@dataclass(frozen=True)
class ImageHeader:
    """The header of an image file.

    Attributes:
        height: in pixels, after the image is turned by its EXIF orientation, as it is loaded.
        width: likewise.
        orientation: of its EXIF data, 1 to 8; 1 if there is none.
        frames: number of frames or pages in the file.
    """

    height: int
    width: int
    orientation: int = 1
    frames: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


def read_header(source: str | Path | bytes) -> ImageHeader:
    """Read the header of an image, given its path or content.

    Raises:
        OSError: it is no image that Pillow reads.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    with Image.open(stream) as picture:
        orientation = read_orientation(picture)
        width, height = picture.size
        if orientation > MAX_UNTURNED and picture.format != 'TIFF':  # Pillow turns that itself
            width, height = height, width
        return ImageHeader(height, width, orientation, count_frames(picture))


def read_orientation(picture: Image.Image) -> int:
    """Return an opened image's EXIF orientation without loading its pixels."""
    if picture.format == 'PNG' and 'exif' not in picture.info:
        return 1  # Pillow would load the pixels to look behind them
    orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in range(1, 9) else 1


def count_frames(picture: Image.Image) -> int:
    """Return how many frames or pages an opened image file holds."""
    return getattr(picture, 'n_frames', 1) if picture.format in SEVERAL_FRAMES else 1


def refuse_several(frames: int) -> None:
    """Refuse an image file of several frames, of which readers would take the first only."""
    if frames > 1:
        raise ValueError(
            f'holds {frames} frames or pages in one file, of which only the first would be read; '
            'write each to an image of its own (magick FILE frame_%05d.png) and use their folder'
        )


def may_hold_several(content: bytes) -> bool:
    """Return whether an image file may hold several frames, quickly, by its first bytes."""
    if content[:4] == b'RIFF' and content[8:16] == b'WEBPVP8X':
        return bool(content[20:21]) and bool(content[20] & 2)
    if content[:4] == b'\x89PNG':
        return b'acTL' in content[: max(content.find(b'IDAT'), 0)]
    return content[:3] == b'GIF' or content[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')


def turned_note(source: str | Path | bytes) -> str:
    """Return a remark for messages about an image's size if EXIF data turn it, or else ''."""
    try:
        orientation = read_header(source).orientation
    except (OSError, SyntaxError):
        return ''
    if orientation <= MAX_UNTURNED:
        return ''
    return f' (turned as its EXIF orientation {orientation} says)'

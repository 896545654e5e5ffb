"""Reading frames, writing pictures, videos and gifs; all arrays are RGB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from rocovis_mm.formats.frame_files import count_frames, refuse_several


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
    """Write frames of one size as an mp4 video; one by one, so they may be made as they go.

    Where `frames` raises, the video holds what came before.

    Args:
        path: of the file; missing folders are made.
        frames: (H, W, 3) uint8 each; H and W should be even.
        fps: frames per second.

    Raises:
        ValueError: there are no frames, or this OpenCV writes no mp4.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter()
    try:
        for frame in frames:
            if not writer.isOpened():
                size = (frame.shape[1], frame.shape[0])
                if not writer.open(str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, size):
                    raise ValueError(f'{path}: this build of OpenCV cannot write mp4 (mp4v)')
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        if not writer.isOpened():
            raise ValueError(f'{path}: no frames to write')
    finally:
        writer.release()
    return path


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

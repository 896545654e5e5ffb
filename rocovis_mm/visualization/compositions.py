"""Many frames in one picture: videos side by side, mosaics, contact sheets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from rocovis_mm.visualization.fonts import draw_text
from rocovis_mm.visualization.media import write_gif, write_image, write_mp4
from rocovis_mm.visualization.palette import INK, PAPER
from rocovis_mm.visualization.video_results import DrawnTrack, DrawnVideo

GAP = 6
HEADER = 30


def fit(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return an image brought into width x height pixels, centred, its shape kept."""
    factor = min(width / image.shape[1], height / image.shape[0])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, size, interpolation=method)
    canvas = np.full((height, width, 3), INK, dtype=np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas


def write_line(canvas: np.ndarray, place: tuple[int, int], text: str, size: int = 15) -> np.ndarray:
    """Return the picture with a white line of text, its left middle at (x, y)."""
    picture = Image.fromarray(canvas)
    draw_text(ImageDraw.Draw(picture), place, text, PAPER, size)
    return np.asarray(picture).copy()


def tile(images: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Lay images of one size in rows, a dark gap around each.

    Raises:
        ValueError: there are no images.
    """
    if not images:
        raise ValueError('no images to lay out; choose one frame or more')
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    canvas = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), INK, dtype=np.uint8
    )
    for index, image in enumerate(images):
        top = GAP + (index // columns) * (height + GAP)
        left = GAP + (index % columns) * (width + GAP)
        canvas[top : top + height, left : left + width] = image
    return canvas


def headed(body: np.ndarray, text: str) -> np.ndarray:
    """Return a picture with a line of text in a dark band above it."""
    header = np.full((HEADER, body.shape[1], 3), INK, dtype=np.uint8)
    return np.concatenate([write_line(header, (GAP, HEADER // 2 + 2), text), body])


def with_frames(videos: Sequence[DrawnVideo]) -> list[DrawnVideo]:
    """Return the videos that have any frame.

    Raises:
        ValueError: there is none.
    """
    drawn = [video for video in videos if video.images]
    if not drawn:
        raise ValueError(
            f'nothing to draw: {len(videos)} videos, none with a frame; give an annotation file '
            'with videos, or choose one of them or more'
        )
    return drawn


def panes_of(video: DrawnVideo, annotated: bool) -> list[tuple[list[DrawnTrack], str]]:
    """Return the tracks and titles of a video's pictures.

    Args:
        video: to be drawn.
        annotated: whether any video drawn beside it is annotated; then all show annotations.
    """
    panes = [(video.truth, 'annotation'), (video.predicted, 'prediction')]
    return panes if annotated else panes[1:]


def compared_frames(
    videos: Sequence[DrawnVideo], width: int = 640, height: int = 384
) -> Iterator[np.ndarray]:
    """Play videos one after another, annotation on the left, prediction on the right.

    Where no video is annotated, the prediction has the frame for itself.

    Yields:
        frames of one even size, (height + a header, 2 * width or width, 3) RGB, gaps included.

    Raises:
        ValueError: there is no frame to draw.
    """
    videos = with_frames(videos)
    annotated = any(video.truth for video in videos)
    for video in videos:
        panes = panes_of(video, annotated)
        for t in range(len(video.images)):
            pictures = [video.draw(t, tracks, height) for tracks, _ in panes]
            body = tile([fit(picture, width, height) for picture in pictures], len(panes))
            header = np.full((HEADER, body.shape[1], 3), INK, dtype=np.uint8)
            for pane, (_, title) in enumerate(panes):
                text = f'{title}   video {video.id}   frame {t + 1} of {len(video.images)}'
                header = write_line(header, (GAP + pane * (width + GAP), HEADER // 2 + 2), text)
            yield np.concatenate([header, body])


def mosaic_frames(
    videos: Sequence[DrawnVideo], columns: int = 3, width: int = 320, height: int = 192
) -> list[np.ndarray]:
    """Play videos at once in a mosaic of predictions; the shorter ones wait at their end.

    Args:
        videos: one or more.
        columns: most of them side by side.
        width: of a video in the mosaic, in pixels.
        height: of a video in the mosaic, in pixels.

    Raises:
        ValueError: there is no frame to draw.
    """
    videos = with_frames(videos)
    frames = []
    for t in range(max(len(video.images) for video in videos)):
        shown = [(video, min(t, len(video.images) - 1)) for video in videos]
        panes = [fit(video.draw(n, video.predicted, height), width, height) for video, n in shown]
        frames.append(tile(panes, min(columns, len(panes))))
    return frames


def contact_sheet(
    videos: Sequence[DrawnVideo], columns: int = 6, width: int = 320, height: int = 192
) -> np.ndarray:
    """Return a sheet: a row of frames per video, annotation above prediction.

    Args:
        videos: rows.
        columns: frames of each video, evenly spread from its first to its last.
        width: of a frame on the sheet, in pixels.
        height: of a frame on the sheet, in pixels.

    Raises:
        ValueError: there is no frame to draw.
    """
    videos = with_frames(videos)
    annotated = any(video.truth for video in videos)
    bands = []
    for video in videos:
        shown = np.unique(np.linspace(0, len(video.images) - 1, columns).round().astype(int))
        numbers = ', '.join(str(t + 1) for t in shown)
        rows = panes_of(video, annotated)
        titles = ' above '.join(title for _, title in rows)
        cells = [video.draw(int(t), tracks, height) for tracks, _ in rows for t in shown]
        body = tile([fit(cell, width, height) for cell in cells], len(shown))
        text = f'video {video.id}   frames {numbers} of {len(video.images)}   {titles}'
        bands.append(headed(body, text))
    widest = max(band.shape[1] for band in bands)
    margins = [((0, 0), (0, widest - band.shape[1]), (0, 0)) for band in bands]
    padded = [np.pad(band, each, constant_values=INK[0]) for band, each in zip(bands, margins)]
    return np.concatenate(padded)


def write_pictures(
    videos: Sequence[DrawnVideo], folder: str | Path, shown: int = 6, fps: float = 8.0
) -> list[Path]:
    """Write ``overlay.mp4``, ``overlay.gif`` and ``contact_sheet.png``.

    Args:
        videos: all of them are in the mp4.
        folder: where to.
        shown: number of the first videos, which are in the gif and on the sheet.
        fps: frames per second.

    Returns:
        the three paths.

    Raises:
        ValueError: there is no frame to draw.
    """
    videos = with_frames(videos)
    folder = Path(folder)
    return [
        write_mp4(folder / 'overlay.mp4', compared_frames(videos), fps),
        write_gif(folder / 'overlay.gif', mosaic_frames(videos[:shown]), fps),
        write_image(folder / 'contact_sheet.png', contact_sheet(videos[:shown])),
    ]

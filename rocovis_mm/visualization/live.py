"""Frames of a running stream: drawn over, and written as images of identities."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from rocovis_mm.visualization.media import write_image
from rocovis_mm.visualization.overlay import draw_overlay, instance_caption
from rocovis_mm.visualization.palette import palette_bytes
from rocovis_mm.visualization.trails import Trails


class LiveOverlay:
    """Draws frame after frame of one video; an identity keeps its colour for life.

    Its size is bounded by the length of the trails. Use one object for each stream.

    Args:
        classes: names by label; a label without one is written as a number.
        score_threshold: instances below it are left out, of the trails too.
        trail_length: frames that trails reach back; 0 draws none.
        captions: whether class, identity and score are written.
        alpha: share of colour inside a mask.
        scale: whole number that frames are enlarged by; chosen by their height if None.
    """

    def __init__(
        self,
        classes: Sequence[str] = (),
        score_threshold: float = 0.3,
        trail_length: int = 32,
        captions: bool = True,
        alpha: float = 0.45,
        scale: int | None = 1,
    ) -> None:
        self.classes = tuple(classes)
        self.score_threshold = score_threshold
        self.trails = Trails(trail_length) if trail_length else None
        self.captions = captions
        self.alpha = alpha
        self.scale = scale

    def reset(self) -> None:
        """Forget the trails before the next video."""
        if self.trails is not None:
            self.trails.reset()

    def draw(
        self,
        image: np.ndarray,
        masks: np.ndarray,
        identities: Sequence[int],
        labels: Sequence[int] | None = None,
        scores: Sequence[float] | None = None,
    ) -> np.ndarray:
        """Draw the next frame.

        Args:
            image: (H, W, 3) uint8, RGB.
            masks: (n, H, W) bool; an empty one is absent.
            identities: n whole numbers.
            labels: n, from 0.
            scores: n; without them all instances are drawn.

        Returns:
            (scale * H, scale * W, 3) uint8, RGB; the inputs are left as they are.
        """
        count = len(identities)
        masks = np.asarray(masks, dtype=bool).reshape(-1, *image.shape[:2])
        if len(masks) != count:
            raise ValueError(f'{len(masks)} masks for {count} identities')
        kept = [n for n in range(count) if scores is None or scores[n] >= self.score_threshold]
        masks, names = masks[kept], [int(identities[n]) for n in kept]
        if self.trails is not None:
            self.trails.update(names, masks)
        texts = [
            instance_caption(
                None if labels is None else int(labels[n]),
                int(identities[n]),
                None if scores is None else float(scores[n]),
                self.classes,
            )
            for n in kept
        ]
        captions = texts if self.captions else None
        return draw_overlay(image, masks, names, captions, self.scale, self.alpha, self.trails)


def identity_map(
    masks: np.ndarray, identities: Sequence[int], scores: Sequence[float] | None = None
) -> np.ndarray:
    """Return an image of identities: 0 is background, i + 1 is identity i.

    Args:
        masks: (n, H, W) bool; n may be 0.
        identities: n whole numbers from 0.
        scores: where masks overlap, the higher one counts; without scores the later one.

    Returns:
        (H, W) int64.
    """
    masks = np.asarray(masks, dtype=bool)
    if masks.ndim != 3 or len(masks) != len(identities):
        raise ValueError(
            f'masks of shape {masks.shape} for {len(identities)} identities; give (n, H, W)'
        )
    drawn = np.zeros(masks.shape[1:], dtype=np.int64)
    order = range(len(masks)) if scores is None else np.argsort(np.asarray(scores), kind='stable')
    for n in order:
        drawn[masks[n]] = int(identities[n]) + 1
    return drawn


class IdentityImages:
    """Writes a PNG of identities for each frame, as DAVIS has them.

    A pixel's value is 0 for background and identity + 1 else. Frames whose identities all
    are below 255 become 8-bit PNGs with a palette of the overlays' colours. A palette has no
    more entries, so a frame with a higher identity becomes a 16-bit grey PNG of the same
    values, with one warning for all. A file appears when it is whole.

    Args:
        folder: of ``<frame number>.png``; made where it is missing.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.palette = palette_bytes()
        self.warned = False

    def write(
        self,
        frame: int | str,
        masks: np.ndarray,
        identities: Sequence[int],
        scores: Sequence[float] | None = None,
    ) -> Path:
        """Write one frame.

        Args:
            frame: its number (five digits in the file's name), or the name without ending.
            masks: (n, H, W) bool.
            identities: n whole numbers from 0.
            scores: as in `identity_map`.

        Raises:
            ValueError: an identity is negative or above 65534.
            OSError: the file cannot be written; none of it is left.
        """
        path = self.folder / f'{frame if isinstance(frame, str) else f"{frame:05d}"}.png'
        if len(identities) and not 0 <= min(identities) <= max(identities) < 65535:
            raise ValueError(
                f'{path}: identities from {min(identities)} to {max(identities)}; an image '
                'holds 0 to 65534: write the tracks as json instead'
            )
        return write_image(path, self.picture(identity_map(masks, identities, scores)))

    def picture(self, values: np.ndarray) -> Image.Image:
        """Return an (H, W) map as 8-bit image with a palette, or 16-bit where it must be."""
        highest = int(values.max(initial=0))
        if highest < 256:
            picture = Image.fromarray(values.astype(np.uint8), mode='P')
            picture.putpalette(self.palette)
            return picture
        if not self.warned:
            warnings.warn(
                f'{self.folder}: identity {highest - 1} is beyond the 255 of a palette; frames '
                'with such identities are 16-bit grey PNGs of the same values'
            )
            self.warned = True
        return Image.fromarray(values.astype(np.uint16))

"""Pictures of the clips that a model gets.

Letters: B clips · T frames · n instances · H, W the padded input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.vis.base import clip_targets
from rocovis_mm.visualization.compositions import headed, tile
from rocovis_mm.visualization.fonts import draw_text, text_width
from rocovis_mm.visualization.overlay import draw_overlay, instance_caption, resize_mask
from rocovis_mm.visualization.palette import INK, PAPER, identity_color

STRIPE = 12
"""Pixels from one stripe of the padding to the next."""
FOOTER = 24


@dataclass(frozen=True)
class Clip:
    """One clip as the input of a model.

    Attributes:
        images: (T, H, W, 3) uint8 RGB, padding included.
        sizes: T times (height, width) without padding.
        names: T texts, such as 'frame 4'.
        title: of the video.
        masks: (n, T, H, W) bool, empty where an instance is not seen.
        ids: n ids of the annotation file; negative ones were pasted in.
        labels: n classes.
    """

    images: np.ndarray
    sizes: list[tuple[int, int]]
    names: list[str]
    title: str
    masks: np.ndarray
    ids: list[int]
    labels: list[int]

    @property
    def present(self) -> np.ndarray:
        """(n, T) bool, whether an instance shows at least one pixel in a frame."""
        return self.masks.any(axis=(2, 3))


def training_clips(
    batch: Mapping[str, Any], preprocessor: nn.Module, clip_augment: nn.Module | None = None
) -> list[Clip]:
    """Return the clips of a training batch as the model learns from them.

    Args:
        batch: as the data loader collates it.
        preprocessor: of the model.
        clip_augment: of the model (``rocovis_mm.ClipCopyPaste``), or None.
    """
    data = preprocessor(batch, True)
    images, samples = images_of(data), data['data_samples']
    targets = [clip_targets(sample, images.device) for sample in samples]
    if clip_augment is not None:
        images, targets = clip_augment(images, targets)
    return [
        Clip(
            restore(image, preprocessor),
            *describe_frames(sample),
            target.masks.numpy(),
            target.ids.tolist(),
            target.labels.tolist(),
        )
        for image, sample, target in zip(images, samples, targets)
    ]


def inference_clip(items: Sequence[Mapping[str, Any]], preprocessor: nn.Module) -> Clip:
    """Return frames of a video, or one item that is a whole video, as a model is tested on them.

    Args:
        items: of a data set for testing, from one video.
        preprocessor: of the model.
    """
    images: list[np.ndarray] = []
    sizes, names, title = [], [], ''
    for item in items:
        batch = dict(inputs=dict(img=[item['inputs']['img']]), data_samples=[item['data_samples']])
        data = preprocessor(batch, False)
        images.extend(restore(images_of(data)[0], preprocessor))
        own_sizes, own_names, title = describe_frames(data['data_samples'][0])
        sizes += own_sizes
        names += own_names
    no_masks = np.zeros((0, len(images), *images[0].shape[:2]), dtype=bool)
    return Clip(np.stack(images), sizes, names, title, no_masks, [], [])


def images_of(data: Mapping[str, Any]) -> Any:
    """Return the images of a batch, which may be in a dict."""
    inputs = data['inputs']
    return inputs['img'] if isinstance(inputs, Mapping) else inputs


def restore(images: Tensor, preprocessor: nn.Module) -> np.ndarray:
    """Return (T, 3, H, W) images without their normalisation, as (T, H, W, 3) uint8 RGB."""
    if hasattr(preprocessor, 'mean'):
        images = images * preprocessor.std.reshape(-1, 1, 1) + preprocessor.mean.reshape(-1, 1, 1)
    turned = getattr(preprocessor, 'bgr_to_rgb', getattr(preprocessor, '_channel_conversion', True))
    if not turned:
        images = images.flip(1)
    return images.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy().copy()


def describe_frames(sample: TrackDataSample) -> tuple[list[tuple[int, int]], list[str], str]:
    """Return each frame's size without padding and its name, and the clip's title."""
    frames = sample.video_data_samples
    sizes = [tuple(frame.img_shape[:2]) for frame in frames]
    names = [f'frame {frame.get("frame_id", t)}' for t, frame in enumerate(frames)]
    first = frames[0]
    words = [f'video {first.get("video_id", "?")}', 'x'.join(map(str, sizes[0][::-1]))]
    if first.get('flip'):
        words.append('flipped')
    return sizes, names, '   '.join(words)


def draw_clip(clip: Clip, classes: Sequence[str], width: int = 400) -> Iterator[np.ndarray]:
    """Yield the frames of a clip, of one size.

    Padding is striped. An instance has one colour in the whole clip. The ids of absent
    instances are below each frame.

    Args:
        clip: the clip.
        classes: names by label.
        width: of a frame in pixels, about.
    """
    present = clip.present
    captions = [
        instance_caption(label, identity, None, classes)
        for label, identity in zip(clip.labels, clip.ids)
    ]
    for t, image in enumerate(clip.images):
        shown = stripe_padding(image, clip.sizes[t])
        share = min(1.0, width / shown.shape[1])
        size = (max(1, round(shown.shape[0] * share)), max(1, round(shown.shape[1] * share)))
        shown = cv2.resize(shown, size[::-1], interpolation=cv2.INTER_AREA)
        masks = np.array([resize_mask(mask, size) for mask in clip.masks[:, t]], dtype=bool)
        scale = max(1, round(width / size[1]))
        drawn = draw_overlay(shown, masks.reshape(-1, *size), range(len(clip.ids)), captions, scale)
        absent = [n for n in range(len(clip.ids)) if not present[n, t]]
        chips = [(identity_color(n), f'#{clip.ids[n]}') for n in absent]
        yield np.concatenate([drawn, footer(drawn.shape[1], clip.names[t], chips)])


def stripe_padding(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an (H, W, 3) image with stripes outside of (height, width)."""
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    outside = (rows >= size[0]) | (columns >= size[1])
    bright = (rows + columns) % STRIPE < STRIPE // 2
    stripes = np.where(bright[..., None], 200, 130).astype(np.uint8)
    return np.where(outside[..., None], stripes, image)


def footer(width: int, name: str, chips: Iterable[tuple[tuple[int, int, int], str]]) -> np.ndarray:
    """Return a band with a frame's name and, crossed out, the instances it does not show."""
    picture = Image.new('RGB', (width, FOOTER), INK)
    pen = ImageDraw.Draw(picture)
    draw_text(pen, (4, FOOTER // 2), name, PAPER, 13)
    left = 12 + int(text_width(name, 13))
    for number, (color, text) in enumerate(chips):
        if not number:
            draw_text(pen, (left, FOOTER // 2), 'absent', PAPER, 13)
            left += 6 + int(text_width('absent', 13))
        right = left + int(text_width(text, 13))
        draw_text(pen, (left, FOOTER // 2), text, color, 13)
        pen.line((left - 1, FOOTER // 2 + 1, right, FOOTER // 2 + 1), color)
        left = right + 7
    return np.asarray(picture)


def clip_sheet(clip: Clip, frames: Sequence[np.ndarray], columns: int = 4) -> np.ndarray:
    """Return the frames of a clip in one picture, with its title."""
    body = tile(frames, min(columns, len(frames)))
    return headed(body, f'{clip.title}   {len(clip.ids)} instances')

"""The embedded data set: generated from a seed, in YouTube-VIS form on disk."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycocotools.mask as mask_utils
from tqdm import tqdm

from rocovis_mm.datasets.clip_events import count_clip_events
from rocovis_mm.testing.rendering import RenderedVideo, render_video
from rocovis_mm.testing.scenes import plan_scene
from rocovis_mm.testing.shapes import SHAPE_CLASSES

CLASSES = tuple(shape.name for shape in SHAPE_CLASSES)
VERSION = 8
"""Raised whenever the same recipe would give other videos."""


@dataclass(frozen=True)
class EmbeddedRecipe:
    """All that the videos depend on.

    Attributes:
        seed: of everything random.
        height: of a frame, in pixels.
        width: of a frame, in pixels.
        train_videos: number of training videos.
        train_frames: frames of each.
        val_videos: number of validation videos.
        val_frames: frames of each.
        version: of the generator.
    """

    seed: int = 0
    height: int = 96
    width: int = 160
    train_videos: int = 160
    train_frames: int = 14
    val_videos: int = 24
    val_frames: int = 18
    version: int = VERSION

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be drawn."""
        if min(self.height, self.width) < 32 or self.seed < 0:
            raise ValueError(
                f'EmbeddedRecipe: seed={self.seed}, height={self.height}, width={self.width}; the '
                'seed must not be negative, and frames need 32 pixels either way'
            )
        for name in ('train_videos', 'train_frames', 'val_videos', 'val_frames'):
            if getattr(self, name) < 1:
                raise ValueError(f'EmbeddedRecipe: {name} must be at least 1')


@dataclass(frozen=True)
class EmbeddedDataset:
    """Where a generated data set lies."""

    root: Path

    @property
    def train_json(self) -> Path:
        """Annotations of the training videos."""
        return self.root / 'train.json'

    @property
    def val_json(self) -> Path:
        """Annotations of the validation videos."""
        return self.root / 'val.json'

    @property
    def images(self) -> Path:
        """Folder that the json's file names are relative to."""
        return self.root / 'JPEGImages'


def make_embedded_dataset(
    root: str | Path, recipe: EmbeddedRecipe | None = None, progress: bool = False
) -> EmbeddedDataset:
    """Generate the data set in the folder `root`, or find it there.

    The folder appears whole or not at all; one made by the same recipe is used
    again, one made by another is replaced.

    Args:
        root: the data set's own folder.
        recipe: what to generate.
        progress: whether to show a progress bar.

    Raises:
        ValueError: `root` holds something that was not generated.
    """
    root, recipe = Path(root), recipe or EmbeddedRecipe()
    note = root / 'recipe.json'
    if note.is_file() and json.loads(note.read_text()) == asdict(recipe):
        return EmbeddedDataset(root)
    if root.exists() and any(root.iterdir()) and not note.is_file():
        raise ValueError(
            f'{root}: holds files but no recipe.json, so it is not a generated data set; choose '
            'another folder'
        )
    with whole_folder(root) as folder:
        for split in ('train', 'val'):
            content = write_split(folder, recipe, split, progress)
            (folder / f'{split}.json').write_text(json.dumps(content))
        (folder / 'recipe.json').write_text(json.dumps(asdict(recipe), indent=2) + '\n')
    return EmbeddedDataset(root)


def make_tiny_dataset(root: str | Path, **overrides: int) -> EmbeddedDataset:
    """Generate a few small videos for unit tests, in some tenths of a second."""
    sizes = dict(height=48, width=80, train_videos=4, train_frames=8, val_videos=3, val_frames=6)
    return make_embedded_dataset(root, EmbeddedRecipe(**{**sizes, **overrides}))


@contextmanager
def whole_folder(root: Path) -> Iterator[Path]:
    """Give a folder to fill that takes the place of `root` once it is filled."""
    root.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f'.{root.name}-', dir=root.parent))
    try:
        yield folder
        folder.chmod(0o755)
        if root.exists():
            shutil.rmtree(root)
        os.replace(folder, root)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_split(folder: Path, recipe: EmbeddedRecipe, split: str, progress: bool) -> dict[str, Any]:
    """Write the images of ``train`` or ``val`` and return its YouTube-VIS json."""
    number = dict(train=recipe.train_videos, val=recipe.val_videos)[split]
    length = dict(train=recipe.train_frames, val=recipe.val_frames)[split]
    videos: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for video_id in tqdm(range(1, number + 1), desc=split, unit='video', disable=not progress):
        rng = np.random.default_rng((recipe.seed, ('train', 'val').index(split), video_id))
        scene = plan_scene(rng, length)
        rendered = render_video(scene, recipe.height, recipe.width)
        names = write_frames(folder / 'JPEGImages', f'{split}_{video_id:04d}', rendered.frames)
        tracks = annotate(rendered, video_id, len(annotations) + 1)
        annotations += tracks
        videos.append(
            dict(
                id=video_id,
                height=recipe.height,
                width=recipe.width,
                length=length,
                file_names=names,
                tags=name_tags(rendered, scene.events),
            )
        )
    categories = [dict(id=label, name=name) for label, name in enumerate(CLASSES, start=1)]
    info = dict(description='rocovis_mm embedded data set', **asdict(recipe))
    return dict(info=info, videos=videos, annotations=annotations, categories=categories)


def write_frames(images: Path, video: str, frames: np.ndarray) -> list[str]:
    """Write frames (T, H, W, 3) as JPEG and return their names relative to `images`."""
    (images / video).mkdir(parents=True)
    names = [f'{video}/{t:05d}.jpg' for t in range(len(frames))]
    for name, frame in zip(names, frames):
        if not cv2.imwrite(str(images / name), frame, [cv2.IMWRITE_JPEG_QUALITY, 95]):
            raise OSError(f'cannot write {images / name}; is the disk full?')
    return names


def annotate(rendered: RenderedVideo, video_id: int, first_id: int) -> list[dict[str, Any]]:
    """Return the annotations of a video's objects that are ever seen."""
    height, width = rendered.masks.shape[-2:]
    annotations: list[dict[str, Any]] = []
    for label, masks in zip(rendered.labels, rendered.masks):
        if not masks.any():
            continue
        codes = mask_utils.encode(np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8))
        areas = mask_utils.area(codes)
        seen = areas > 0
        boxes = mask_utils.toBbox(codes)
        for code in codes:
            code['counts'] = code['counts'].decode('ascii')
        annotations.append(
            dict(
                id=first_id + len(annotations),
                video_id=video_id,
                category_id=int(label) + 1,
                iscrowd=0,
                height=height,
                width=width,
                length=len(masks),
                segmentations=[code if here else None for code, here in zip(codes, seen)],
                bboxes=[box.tolist() if here else None for box, here in zip(boxes, seen)],
                areas=[int(area) if here else None for area, here in zip(areas, seen)],
            )
        )
    return annotations


def name_tags(rendered: RenderedVideo, events: tuple[str, ...]) -> list[str]:
    """Name what is seen in a video, for scoring such videos apart.

    ``crossing``: planned look-alikes of one class cross; ``disappearance``,
    ``return``, ``entry``: an object does so; ``occlusion``: an object shows less
    than 0.4 of the part of its shape that lies in the frame.
    """
    areas = rendered.masks.sum((2, 3))  # (K, T)
    counts = count_clip_events(areas)
    hidden = (areas > 0) & (areas < 0.4 * rendered.extents)
    found = dict(
        crossing='crossing' in events,
        disappearance=counts['disappearances'] > 0,
        entry=counts['births'] > 0,
        occlusion=bool(hidden.any()),
    )
    found['return'] = counts['returns'] > 0
    return sorted(name for name, is_there in found.items() if is_there)

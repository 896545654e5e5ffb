"""The embedded data set, generated from a seed in YouTube-VIS form."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from rocovis_mm.datasets.embedded.degradation import degrade_frames, plan_degradation
from rocovis_mm.datasets.embedded.hard_scenes import MIN_FRAMES, plan_hard_scene
from rocovis_mm.datasets.embedded.rendering import RenderedVideo, render_video
from rocovis_mm.datasets.embedded.scenes import plan_scene
from rocovis_mm.datasets.embedded.shapes import SHAPE_CLASSES
from rocovis_mm.evaluation.functional.clip_events import count_clip_events
from rocovis_mm.formats.converters.id_masks import annotation_of
from rocovis_mm.formats.run_lengths import encode_mask

CLASSES = tuple(shape.name for shape in SHAPE_CLASSES)
VERSIONS = dict(easy=8, hard=4)
"""Version by difficulty, which increases when the same recipe gives other videos."""
LONG_HIDDEN = 8
"""Number of consecutive frames out of sight of a hidden object."""
HARD_SIZES = dict(train_videos=240, train_frames=60, val_videos=80, val_frames=60)
"""Default sizes of the hard data set."""


@dataclass(frozen=True)
class EmbeddedRecipe:
    """All settings that the videos depend on.

    Attributes:
        seed: of everything random.
        height: of a frame, in pixels.
        width: of a frame, in pixels.
        train_videos: number of training videos.
        train_frames: frames of each.
        val_videos: number of validation videos.
        val_frames: frames of each.
        difficulty: ``easy``, or ``hard`` for videos whose objects are only distinguished by their
            past. See `of_difficulty` for its sizes.
        version: of the generator.
    """

    seed: int = 0
    height: int = 96
    width: int = 160
    train_videos: int = 160
    train_frames: int = 14
    val_videos: int = 24
    val_frames: int = 18
    difficulty: str = 'easy'
    version: int = field(init=False)

    @classmethod
    def of_difficulty(cls, difficulty: str, **settings: int) -> EmbeddedRecipe:
        """Return a recipe with the difficulty's sizes for those not in `settings`."""
        sizes = HARD_SIZES if difficulty == 'hard' else {}
        return cls(**{**sizes, **settings}, difficulty=difficulty)

    def __post_init__(self) -> None:
        """Refuse settings that cannot be rendered."""
        if self.difficulty not in VERSIONS:
            raise ValueError(
                f'EmbeddedRecipe: difficulty={self.difficulty!r} is none of {", ".join(VERSIONS)}'
            )
        object.__setattr__(self, 'version', VERSIONS[self.difficulty])
        if min(self.height, self.width) < 32 or self.seed < 0:
            raise ValueError(
                f'EmbeddedRecipe: seed={self.seed}, height={self.height}, width={self.width}; the '
                'seed must not be negative, and frames need 32 pixels either way'
            )
        for name in ('train_videos', 'train_frames', 'val_videos', 'val_frames'):
            if getattr(self, name) < 1:
                raise ValueError(f'EmbeddedRecipe: {name} must be at least 1')
        if self.difficulty == 'hard' and min(self.train_frames, self.val_frames) < MIN_FRAMES:
            raise ValueError(
                f'EmbeddedRecipe: train_frames={self.train_frames}, val_frames={self.val_frames}; '
                f'hard videos need {MIN_FRAMES} frames or more, so that objects can hide'
            )

    def as_dict(self) -> dict[str, int | str]:
        """Return the settings as saved on disk, where the default difficulty is easy."""
        settings = asdict(self)
        if self.difficulty == 'easy':
            del settings['difficulty']
        return settings


@dataclass(frozen=True)
class EmbeddedDataset:
    """The paths of a generated data set."""

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
        """Folder that file names are relative to."""
        return self.root / 'JPEGImages'


def make_embedded_dataset(
    root: str | Path, recipe: EmbeddedRecipe | None = None, progress: bool = False
) -> EmbeddedDataset:
    """Generate the data set in the folder `root`, or find it there.

    The folder appears whole or not at all. A folder of the same recipe is reused, and a folder of
    another recipe is replaced.

    Args:
        root: folder of the data set alone.
        recipe: settings of the data set.
        progress: whether to show a progress bar.

    Raises:
        ValueError: `root` holds files that were not generated.
    """
    root, recipe = Path(root), recipe or EmbeddedRecipe()
    note = root / 'recipe.json'
    if note.is_file() and json.loads(note.read_text()) == recipe.as_dict():
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
        (folder / 'recipe.json').write_text(json.dumps(recipe.as_dict(), indent=2) + '\n')
    return EmbeddedDataset(root)


def make_tiny_dataset(root: str | Path, **overrides: int) -> EmbeddedDataset:
    """Generate a few small videos for unit tests, within a second."""
    sizes = dict(height=48, width=80, train_videos=4, train_frames=8, val_videos=3, val_frames=6)
    return make_embedded_dataset(root, EmbeddedRecipe(**{**sizes, **overrides}))


@contextmanager
def whole_folder(root: Path) -> Iterator[Path]:
    """Give a temporary folder that replaces `root` at the end."""
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
        entry, rendered = draw_video(rng, recipe, length)
        name = f'{split}_{video_id:04d}'
        annotations += annotate(rendered, video_id, len(annotations) + 1)
        names = write_frames(folder / 'JPEGImages', name, rendered.frames)
        sizes = dict(height=recipe.height, width=recipe.width, length=length)
        videos.append(dict(id=video_id, **sizes, file_names=names, **entry))
    categories = [dict(id=label, name=name) for label, name in enumerate(CLASSES, start=1)]
    info = dict(description='rocovis_mm embedded data set', **recipe.as_dict())
    return dict(info=info, videos=videos, annotations=annotations, categories=categories)


def draw_video(
    rng: np.random.Generator, recipe: EmbeddedRecipe, length: int
) -> tuple[dict[str, Any], RenderedVideo]:
    """Return the json keys of a video's content, and the video."""
    hard = recipe.difficulty == 'hard'
    scene = (plan_hard_scene if hard else plan_scene)(rng, length)
    rendered = render_video(scene, recipe.height, recipe.width)
    tags = name_tags(rendered, scene.events)
    if not hard:
        return dict(tags=tags), rendered
    plan = plan_degradation(rng, length)
    degraded = [t for t, way in enumerate(plan) if way is not None]
    tags = sorted({*tags, *name_hard_tags(rendered, scene.events), *['degraded'][: len(degraded)]})
    frames = degrade_frames(rng, rendered.frames, plan)
    return dict(tags=tags, degraded=degraded), replace(rendered, frames=frames)


def write_frames(images: Path, video: str, frames: np.ndarray) -> list[str]:
    """Write frames (T, H, W, 3) as JPEG and return their names relative to `images`."""
    (images / video).mkdir(parents=True)
    names = [f'{video}/{t:05d}.jpg' for t in range(len(frames))]
    for name, frame in zip(names, frames):
        if not cv2.imwrite(str(images / name), frame, [cv2.IMWRITE_JPEG_QUALITY, 95]):
            raise OSError(f'cannot write {images / name}; is the disk full?')
    return names


def annotate(rendered: RenderedVideo, video_id: int, first_id: int) -> list[dict[str, Any]]:
    """Return the annotations of a video's objects that are visible in some frame."""
    seen = [(label, masks) for label, masks in zip(rendered.labels, rendered.masks) if masks.any()]
    return [
        dict(
            id=number,
            video_id=video_id,
            **annotation_of(
                [encode_mask(mask) if mask.any() else None for mask in masks], int(label) + 1
            ),
        )
        for number, (label, masks) in enumerate(seen, start=first_id)
    ]


def name_tags(rendered: RenderedVideo, events: tuple[str, ...]) -> list[str]:
    """Return the tags of a video, by which videos are scored separately.

    ``crossing``: planned look-alikes of one class cross; ``disappearance``, ``return``, ``entry``:
    an object disappears, returns or enters; ``occlusion``: less than 0.4 of an object's shape
    within the frame is visible.
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


def name_hard_tags(rendered: RenderedVideo, events: tuple[str, ...]) -> list[str]:
    """Return the tags of hard videos alone.

    ``twins``: there are identical objects; ``occluder``: there is scenery; ``hidden``: a visible
    object is out of sight within the frame for `LONG_HIDDEN` consecutive frames or more, and
    visible again.
    """
    found = {name for name in ('twins', 'occluder') if name in events}
    for masks, extents in zip(rendered.masks, rendered.extents):
        seen = np.flatnonzero(masks.any((1, 2)))
        for last, again in zip(seen[:-1], seen[1:]):
            if again - last > LONG_HIDDEN and (extents[last:again] > 0).all():
                found.add('hidden')
    return sorted(found)
